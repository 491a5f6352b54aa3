"""Online stores: one contract, SQLite and Cassandra behind it, and what services read them with."""
