-- All that the ledger asks of PostgreSQL, one sentence each.

-- name: claim_installation(partitions)!
-- Decide the number of partitions, unless it was decided before.
INSERT INTO ledger.installation (partitions) VALUES (:partitions) ON CONFLICT DO NOTHING;

-- name: installed_partitions()$
-- How many partitions were decided upon.
SELECT partitions FROM ledger.installation;

-- name: migrations_known()$
-- Whether any migration was ever applied here.
SELECT to_regclass('ledger.migrations') IS NOT NULL;

-- name: applied_migrations()
-- The numbers of the migrations that were applied.
SELECT number FROM ledger.migrations;

-- name: lock_catalogue()!
-- Let one ledger at a time bring the plans up to date.
SELECT pg_advisory_xact_lock(hashtext('tollkeeper:ledger:plans'));

-- name: store_plans(ids, digests, documents)
-- Write the plans that are new or have changed, and return which they were.
INSERT INTO ledger.plans AS plan (id, digest, document)
SELECT id, digest, document::jsonb
FROM unnest(:ids::text[], :digests::bytea[], :documents::text[]) AS given (id, digest, document)
ORDER BY id
ON CONFLICT (id) DO UPDATE
SET digest = excluded.digest, document = excluded.document, changed_at = now()
WHERE plan.digest <> excluded.digest
RETURNING id;

-- name: touch_tenants_of_plans(plan_ids)!
-- Announce the tenants of changed plans to the gate.
UPDATE ledger.tenants SET plan_id = plan_id WHERE plan_id = ANY (:plan_ids::text[]);

-- name: tenants_left_behind(plan_ids)
-- How many tenants are on plans that are not among these.
SELECT plan_id, count(*) AS tenants FROM ledger.tenants
WHERE plan_id <> ALL (:plan_ids::text[]) GROUP BY plan_id ORDER BY plan_id;

-- name: delete_other_plans(plan_ids)!
-- Forget the plans that are not among these.
DELETE FROM ledger.plans WHERE id <> ALL (:plan_ids::text[]);

-- name: insert_tenant(id, name, plan_id, partition, announced_period)^
-- Open a tenant, unless its name is taken.
INSERT INTO ledger.tenants (id, name, plan_id, partition, announced_period)
VALUES (:id, :name, :plan_id, :partition, :announced_period)
ON CONFLICT (name) DO NOTHING
RETURNING id, name, plan_id, status, partition, created_at;

-- name: find_tenant(reference)^
-- The tenant with this id or name.
SELECT id, name, plan_id, status, partition, created_at FROM ledger.tenants
WHERE id = :reference OR name = :reference;

-- name: list_tenants(after_created_at, after_id, limit)
-- A page of tenants, oldest first.
SELECT id, name, plan_id, status, partition, created_at FROM ledger.tenants
WHERE (created_at, id) > (:after_created_at, :after_id)
ORDER BY created_at, id LIMIT :limit;

-- name: set_tenant_status(id, status)!
-- Suspend or resume a tenant, unless that is its status already.
UPDATE ledger.tenants SET status = :status WHERE id = :id AND status <> :status;

-- name: set_tenant_plan(id, plan_id)!
-- Move a tenant to a plan, unless it is on it already.
UPDATE ledger.tenants SET plan_id = :plan_id WHERE id = :id AND plan_id <> :plan_id;

-- name: insert_key(id, tenant_id, sha256, hint, name, environment, scopes, expires_at)^
-- Store a freshly minted key.
INSERT INTO ledger.api_keys (id, tenant_id, sha256, hint, name, environment, scopes, expires_at)
VALUES (:id, :tenant_id, :sha256, :hint, :name, :environment, :scopes, :expires_at)
RETURNING id, tenant_id, hint, name, environment, scopes, status, expires_at, created_at, revoked_at;

-- name: list_keys(tenant_id)
-- A tenant's keys, oldest first.
SELECT id, tenant_id, hint, name, environment, scopes, status, expires_at, created_at, revoked_at
FROM ledger.api_keys WHERE tenant_id = :tenant_id ORDER BY created_at, id;

-- name: find_key(id)^
-- The key with this id.
SELECT id, tenant_id, hint, name, environment, scopes, status, expires_at, created_at, revoked_at
FROM ledger.api_keys WHERE id = :id;

-- name: revoke_key(id)!
-- Revoke a key, unless it is revoked already.
UPDATE ledger.api_keys SET status = 'revoked', revoked_at = now()
WHERE id = :id AND status <> 'revoked';

-- name: known_tenants(ids)
-- Which of these tenants exist.
SELECT id FROM ledger.tenants WHERE id = ANY (:ids::text[]);

-- name: insert_usage_events(tenant_ids, sources, ids, key_ids, metrics, units, reserved_units, moments, request_ids, unsettled)
-- Store the events that are new, in the order of their keys so that two batches never deadlock, and return which they were.
INSERT INTO ledger.usage_events (
    tenant_id, source, id, occurred_on, occurred_at, key_id, metric, units, reserved_units,
    request_id, unsettled
)
SELECT tenant_id, source, id, (occurred_at AT TIME ZONE 'UTC')::date, occurred_at, key_id, metric,
    units, reserved_units, request_id, unsettled
FROM unnest(
    :tenant_ids::text[], :sources::text[], :ids::text[], :key_ids::text[], :metrics::text[],
    :units::bigint[], :reserved_units::bigint[], :moments::timestamptz[], :request_ids::text[],
    :unsettled::boolean[]
) AS event (
    tenant_id, source, id, key_id, metric, units, reserved_units, occurred_at, request_id, unsettled
)
ORDER BY tenant_id, source, id, occurred_at
ON CONFLICT DO NOTHING
RETURNING tenant_id, source, id, occurred_on;

-- name: stored_usage_events(tenant_ids, sources, ids, days)
-- What is stored under these keys.
SELECT stored.tenant_id, stored.source, stored.id, stored.occurred_on,
    stored.metric, stored.key_id, stored.units
FROM unnest(:tenant_ids::text[], :sources::text[], :ids::text[], :days::date[])
    AS given (tenant_id, source, id, occurred_on)
JOIN ledger.usage_events AS stored USING (tenant_id, source, id, occurred_on);

-- name: add_usage_minutes(tenant_ids, metrics, minutes, units)!
-- Add to the minutes, in the order of their keys.
INSERT INTO ledger.usage_minutes AS known (tenant_id, metric, minute, units)
SELECT * FROM unnest(
    :tenant_ids::text[], :metrics::text[], :minutes::timestamptz[], :units::bigint[]
) AS added (tenant_id, metric, minute, units)
ORDER BY tenant_id, metric, minute
ON CONFLICT (tenant_id, metric, minute) DO UPDATE SET units = known.units + excluded.units;

-- name: add_usage_totals(tenant_ids, metrics, period_starts, used_units, carried_units)!
-- Add to the totals of the billing periods, in the order of their keys.
INSERT INTO ledger.usage_totals AS known (
    tenant_id, metric, period_start, used_units, carried_units
)
SELECT * FROM unnest(
    :tenant_ids::text[], :metrics::text[], :period_starts::timestamptz[],
    :used_units::bigint[], :carried_units::bigint[]
) AS added (tenant_id, metric, period_start, used_units, carried_units)
ORDER BY tenant_id, metric, period_start
ON CONFLICT (tenant_id, metric, period_start) DO UPDATE
SET used_units = known.used_units + excluded.used_units,
    carried_units = known.carried_units + excluded.carried_units;

-- name: used_in_period(tenant_id, period_start)
-- What a tenant used of each metric in a billing period.
SELECT metric, used_units FROM ledger.usage_totals
WHERE tenant_id = :tenant_id AND period_start = :period_start ORDER BY metric;

-- name: policy_view()^
-- How far this transaction sees, and how far back the outbox goes.
SELECT pg_current_snapshot()::text AS snapshot,
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS position,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS position_next,
    pruned_below::text::bigint AS pruned_below
FROM ledger.policy_horizon;

-- name: policy_changes(seen)
-- The subjects changed by transactions that are visible now and were not visible in the snapshot seen before.
SELECT kind, tenant_id, subject, period_start, min(created_at) AS changed_at
FROM ledger.policy_outbox
WHERE xid >= pg_snapshot_xmin(:seen::text::pg_snapshot)
    AND xid < pg_snapshot_xmax(pg_current_snapshot())
    AND NOT pg_visible_in_snapshot(xid, :seen::text::pg_snapshot)
GROUP BY kind, tenant_id, subject, period_start
ORDER BY kind, tenant_id, subject, period_start;

-- name: page_of_tenants(after_id, limit)
-- The next tenants in the order of their ids.
SELECT id FROM ledger.tenants WHERE id > :after_id ORDER BY id LIMIT :limit;

-- name: page_of_keys(after_id, limit)
-- The next keys in the order of their ids.
SELECT id FROM ledger.api_keys WHERE id > :after_id ORDER BY id LIMIT :limit;

-- name: page_of_usage(after_tenant_id, after_metric, after_period_start, since, limit)
-- The next totals of the billing periods that still matter to the gate.
SELECT tenant_id, metric, period_start FROM ledger.usage_totals
WHERE (tenant_id, metric, period_start) > (:after_tenant_id, :after_metric, :after_period_start)
    AND period_start >= :since
ORDER BY tenant_id, metric, period_start LIMIT :limit;

-- name: tenant_policies(ids)
-- What the gate must know about these tenants.
SELECT tenants.id, tenants.plan_id, tenants.status, tenants.partition, tenants.version,
    plans.document::text AS plan_document
FROM ledger.tenants JOIN ledger.plans ON plans.id = tenants.plan_id
WHERE tenants.id = ANY (:ids::text[]);

-- name: key_policies(ids)
-- What the gate must know about these keys.
SELECT api_keys.id, api_keys.tenant_id, api_keys.sha256, api_keys.status, api_keys.scopes,
    api_keys.expires_at, api_keys.version, tenants.partition
FROM ledger.api_keys JOIN ledger.tenants ON tenants.id = api_keys.tenant_id
WHERE api_keys.id = ANY (:ids::text[]);

-- name: usage_settled(tenant_ids, metrics, period_starts)
-- What the gate must know about these totals.
SELECT totals.tenant_id, totals.metric, totals.period_start, totals.used_units,
    totals.carried_units, totals.version, tenants.partition
FROM unnest(:tenant_ids::text[], :metrics::text[], :period_starts::timestamptz[])
    AS given (tenant_id, metric, period_start)
JOIN ledger.usage_totals AS totals USING (tenant_id, metric, period_start)
JOIN ledger.tenants ON tenants.id = totals.tenant_id;

-- name: prune_outbox(older_than, limit)$
-- Forget a bounded number of old changes, remember that they are forgotten, and return how many they were.
WITH oldest AS (
    SELECT xid, created_at FROM ledger.policy_outbox
    WHERE xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY xid LIMIT :limit
),
last AS (
    SELECT max(xid) AS xid FROM oldest WHERE created_at < :older_than
),
deleted AS (
    DELETE FROM ledger.policy_outbox USING last WHERE policy_outbox.xid <= last.xid RETURNING 1
),
moved AS (
    UPDATE ledger.policy_horizon
    SET pruned_below = (last.xid::text::bigint + 1)::text::xid8
    FROM last WHERE last.xid >= policy_horizon.pruned_below
)
SELECT count(*) FROM deleted;

-- name: announce_period(period_start, limit)$
-- Announce a bounded number of tenants whose last announcement was in an earlier billing period, and return how many.
WITH due AS (
    SELECT id FROM ledger.tenants WHERE announced_period < :period_start
    ORDER BY announced_period, id LIMIT :limit FOR UPDATE SKIP LOCKED
),
announced AS (
    UPDATE ledger.tenants SET announced_period = :period_start FROM due
    WHERE tenants.id = due.id RETURNING 1
)
SELECT count(*) FROM announced;

-- name: create_usage_partitions(first_day, last_day)$
-- Give each of these days a partition and return how many were new.
SELECT ledger.create_usage_partitions(:first_day, :last_day);
