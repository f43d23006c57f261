"""The only wiring: settings → adapters → parts. One file a process; no decision may enter."""
