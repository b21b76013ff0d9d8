"""A page to look at: every profile's gateway, live, on the loopback interface, while `hermes gateway dashboard` runs."""
