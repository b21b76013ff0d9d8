"""A name that other releases run: see `hermes_cli.jobs`, which states the contract."""

from hermes_cli.jobs.preflight import main

if __name__ == "__main__":
    main()
