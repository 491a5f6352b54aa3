"""Raw files of the landing folder, loaded into the warehouse."""
