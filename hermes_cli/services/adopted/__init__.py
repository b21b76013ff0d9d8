"""Another program's own service, kept alive beside it: only demand starts, and one job of ours, the resident restarter."""
