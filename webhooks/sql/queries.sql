-- name: count_inbox_by_status()
-- How many events the inbox holds, by status; a status without events has no row.
SELECT status, count(*) AS events
FROM webhooks.inbox
GROUP BY status;

-- name: list_applied_migrations()
-- The numbers of the migrations that this database has.
SELECT number
FROM webhooks.migrations;
