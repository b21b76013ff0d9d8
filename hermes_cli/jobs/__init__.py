"""Programs that are run by name in a process of their own, also by another release than this one.

THE CONTRACT. An updater of the old release proves the new code, and refreshes its definitions, by running modules of
the new one by name. After a rollback the new release's driver does the same with modules of the old one. Service
managers, the restarter's shell script and its copy of the package outlive the release that wrote them. So these names,
their arguments and their exit codes never change, and no release may lack one of them: every installed hermes would
refuse it, or be left dead by it.

    name that is run                  run by                                                  kept here in
    hermes_cli.restarter              hermes-restarter.sh, the copy, a driver that renews     restarter
      -p PROFILE --trigger NAME         itself, the supervisor
      [--busy wait]
    hermes_cli.update.preflight       an updater, on the code that it has brought             preflight
    hermes_cli.update.definitions     an updater and a driver, after the change; a reload     definitions
      PROFILE
    hermes_cli.update.in_chat         the service manager, for a conversation                 chat_update
      PROFILE JOB [OPTION…]
    hermes_cli.update.probation       the service manager, for a gateway that crashes         rollback
      PROFILE UPDATE CRASHES
    import hermes_cli.services.supervisor, hermes_cli.cli.gateway
                                      a supervisor, before it becomes the installed code
    hermes_cli [-p PROFILE] gateway run [--check] [--supervise] [--resume] [--background]
                                      units, plists, supervisors, an updater; also --version

A gateway under which the code was changed (`hermes update --no-restart`, git pull) goes on as the release that it is, and
imports what it has not imported yet from this one: `hermes_cli.coalition` (0.1.0, on macOS, at a /restart). Better none:
what a gateway needs, it imports when it starts.

Thin modules stay at the names above; nothing else is in them. `hermes-restarter.sh` reads three texts of files that
another release may have written, so these stay as well: `"step": "begun"` and `"step": "undoing"` in a journal of an
update, `"stopped"` in desired.json, `"target": {… "pid": N` in a record.
"""
