"""The online store on a Cassandra cluster."""
