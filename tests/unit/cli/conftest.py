"""What the tests of the command line may ask for."""

from command_line import broken_config, driven, new_record, odd_gateway, odd_home, queued, stopped  # noqa: F401  fixtures
