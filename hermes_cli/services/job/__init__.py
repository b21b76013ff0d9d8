"""What launchd jobs and systemd units have in common."""
