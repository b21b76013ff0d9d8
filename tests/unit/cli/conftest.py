"""What the tests of the command line may ask for."""

from support.commands.bad_input import broken_config, driven, new_record, odd_gateway, odd_home, queued, stopped  # noqa: F401  fixtures
