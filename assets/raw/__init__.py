"""Raw data: what is read from the landing folder."""
