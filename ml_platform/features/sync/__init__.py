"""The sync of a feature view: what differs from the online store is compared, judged and shipped."""
