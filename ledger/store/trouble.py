"""Which exceptions mean that PostgreSQL cannot be reached at the moment."""

from __future__ import annotations

import asyncpg

UNREACHABLE = (
    OSError,  # nobody listens, or the connection was reset; TimeoutError is one too
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,  # it starts, stops or recovers
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,  # asyncpg found the connection closed before it sent anything
)

# Two transactions met; one of them was undone entirely and may simply be run again.
COLLISION = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
