"""The durable queue of restart intents, and the driver that settles them."""
