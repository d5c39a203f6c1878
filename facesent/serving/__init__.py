"""A registered version as people use it: the server, the app, exported files."""
