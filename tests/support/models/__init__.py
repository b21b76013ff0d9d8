"""What stands in for a part: a gateway, a manager, another program."""
