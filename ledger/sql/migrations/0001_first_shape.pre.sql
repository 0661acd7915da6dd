-- The first shape: installation, tenants and keys, usage, projection.

-- Installation -----------------------------------------------------------------------------------

-- What was decided once and cannot be changed under a running installation.
CREATE TABLE ledger.installation (
    only_row     boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    partitions   integer     NOT NULL CHECK (partitions BETWEEN 1 AND 3844),
    installed_at timestamptz NOT NULL DEFAULT now()
);

-- Tenants and keys -------------------------------------------------------------------------------

-- The plans on sale, as read from the plan file at the last start.
CREATE TABLE ledger.plans (
    id         text        PRIMARY KEY CHECK (id ~ '^[a-z][a-z0-9_-]{0,63}$'),
    digest     bytea       NOT NULL CHECK (length(digest) = 32),
    document   jsonb       NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);

-- A customer. A name never looks like an identifier, so either one finds the tenant.
CREATE TABLE ledger.tenants (
    id               text        PRIMARY KEY CHECK (id ~ '^tn_[0-9A-Za-z]{20}$'),
    name             text        NOT NULL UNIQUE
                                 CHECK (length(name) BETWEEN 1 AND 128 AND name NOT LIKE 'tn\_%'),
    plan_id          text        NOT NULL REFERENCES ledger.plans,
    status           text        NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    partition        integer     NOT NULL CHECK (partition >= 0),
    -- The billing period that was the current one when the gate last heard of the tenant.
    announced_period timestamptz NOT NULL,
    version          bigint      NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX tenants_by_age ON ledger.tenants (created_at, id);
CREATE INDEX tenants_by_plan ON ledger.tenants (plan_id);
CREATE INDEX tenants_by_announced_period ON ledger.tenants (announced_period, id);

-- An API key: its SHA-256, never the key itself.
CREATE TABLE ledger.api_keys (
    id          text        PRIMARY KEY CHECK (id ~ '^key_[0-9A-Za-z]{20}$'),
    tenant_id   text        NOT NULL REFERENCES ledger.tenants,
    sha256      bytea       NOT NULL UNIQUE CHECK (length(sha256) = 32),
    hint        text        NOT NULL,
    name        text        NOT NULL CHECK (length(name) <= 128),
    environment text        NOT NULL CHECK (environment IN ('live', 'test')),
    scopes      text[]      NOT NULL CHECK (cardinality(scopes) BETWEEN 1 AND 32),
    status      text        NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'revoked')),
    expires_at  timestamptz,
    created_at  timestamptz NOT NULL DEFAULT now(),
    revoked_at  timestamptz,
    version     bigint      NOT NULL,
    CHECK ((status = 'revoked') = (revoked_at IS NOT NULL))
);

CREATE INDEX api_keys_by_tenant ON ledger.api_keys (tenant_id, created_at, id);

-- Usage ------------------------------------------------------------------------------------------

-- What one call consumed. Recorded at most once. No foreign key to the tenant: the batch that
-- writes here looks its tenants up first, and a check per row would lock each tenant's row for
-- every call it makes.
CREATE TABLE ledger.usage_events (
    tenant_id      text        NOT NULL,
    source         text        NOT NULL CHECK (source <> ''),
    id             text        NOT NULL CHECK (id <> ''),
    occurred_on    date        NOT NULL CHECK (occurred_on = (occurred_at AT TIME ZONE 'UTC')::date),
    occurred_at    timestamptz NOT NULL,
    key_id         text        NOT NULL,
    metric         text        NOT NULL CHECK (metric <> ''),
    units          bigint      NOT NULL,
    reserved_units bigint      NOT NULL CHECK (reserved_units >= 0),
    request_id     text        NOT NULL,
    unsettled      boolean     NOT NULL,
    recorded_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, source, id, occurred_on)
) PARTITION BY RANGE (occurred_on);

-- Holds the days that have no partition: an event is never refused for being late or early.
CREATE TABLE ledger.usage_events_default PARTITION OF ledger.usage_events DEFAULT;

-- What a tenant consumed of a metric in a minute; what is charged and pushed is made of these.
CREATE TABLE ledger.usage_minutes (
    tenant_id text        NOT NULL REFERENCES ledger.tenants,
    metric    text        NOT NULL,
    minute    timestamptz NOT NULL CHECK (minute = date_trunc('minute', minute, 'UTC')),
    units     bigint      NOT NULL,
    PRIMARY KEY (tenant_id, metric, minute)
);

-- What a tenant consumed of a metric in a billing period, and how many of the units that the gate
-- reserved are accounted for in it. Used units may be negative for a moment: a correction can
-- overtake what it corrects.
CREATE TABLE ledger.usage_totals (
    tenant_id     text        NOT NULL REFERENCES ledger.tenants,
    metric        text        NOT NULL,
    period_start  timestamptz NOT NULL,
    used_units    bigint      NOT NULL,
    carried_units bigint      NOT NULL CHECK (carried_units >= 0),
    version       bigint      NOT NULL,
    PRIMARY KEY (tenant_id, metric, period_start)
);

-- Gives every day from the first to the last a partition of its own and returns how many were new.
CREATE FUNCTION ledger.create_usage_partitions(first_day date, last_day date) RETURNS integer
LANGUAGE plpgsql
-- Whoever waits for this lock makes all recording wait behind it; better to try again later.
SET lock_timeout = '2s' AS $$
DECLARE
    day date;
    partition_name text;
    created integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('tollkeeper:ledger:usage_partitions'));
    FOR day IN SELECT generate_series(first_day, last_day, interval '1 day')::date LOOP
        partition_name := 'usage_events_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass('ledger.' || partition_name) IS NOT NULL;
        -- Made aside and attached, because CREATE TABLE ... PARTITION OF would stop all recording.
        EXECUTE format('CREATE TABLE ledger.%I (LIKE ledger.usage_events INCLUDING ALL)',
                       partition_name);
        -- A day's events may have come before its partition; attaching refuses to leave them behind.
        LOCK TABLE ledger.usage_events_default IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('WITH moved AS (DELETE FROM ledger.usage_events_default '
                       'WHERE occurred_on = %L RETURNING *) INSERT INTO ledger.%I TABLE moved',
                       day, partition_name);
        EXECUTE format('ALTER TABLE ledger.usage_events ATTACH PARTITION ledger.%I '
                       'FOR VALUES FROM (%L) TO (%L)', partition_name, day, day + 1);
        created := created + 1;
    END LOOP;
    RETURN created;
END
$$;

-- Projection -------------------------------------------------------------------------------------
-- What the gate follows. It is kept by triggers, so that no way of changing a tenant, a key or a
-- total can forget it.

CREATE SEQUENCE ledger.policy_version;

-- One row for each change of a subject: a tenant, a key, or a tenant's total of a metric and period.
CREATE TABLE ledger.policy_outbox (
    xid          xid8        NOT NULL DEFAULT pg_current_xact_id(),
    kind         text        NOT NULL CHECK (kind IN ('tenant', 'key', 'usage')),
    tenant_id    text        NOT NULL,
    -- The tenant's id, the key's id, or the metric.
    subject      text        NOT NULL,
    period_start timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    CHECK ((kind = 'usage') = (period_start IS NOT NULL))
);

CREATE INDEX policy_outbox_by_xid ON ledger.policy_outbox (xid);

-- Below which transaction the outbox is no longer complete.
CREATE TABLE ledger.policy_horizon (
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    pruned_below xid8    NOT NULL
);

INSERT INTO ledger.policy_horizon (pruned_below) VALUES ('1');

-- Runs when the row is locked already, so the versions of one subject grow in the order of commits.
CREATE FUNCTION ledger.set_policy_version() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := nextval('ledger.policy_version');
    RETURN NEW;
END
$$;

CREATE FUNCTION ledger.project_tenants() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger.policy_outbox (kind, tenant_id, subject)
    SELECT 'tenant', id, id FROM changed;
    IF FOUND THEN
        PERFORM pg_notify('ledger_policy', '');
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION ledger.project_keys() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger.policy_outbox (kind, tenant_id, subject)
    SELECT 'key', tenant_id, id FROM changed;
    IF FOUND THEN
        PERFORM pg_notify('ledger_policy', '');
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION ledger.project_usage() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger.policy_outbox (kind, tenant_id, subject, period_start)
    SELECT 'usage', tenant_id, metric, period_start FROM changed;
    IF FOUND THEN
        PERFORM pg_notify('ledger_policy', '');
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER tenants_version BEFORE INSERT OR UPDATE ON ledger.tenants
    FOR EACH ROW EXECUTE FUNCTION ledger.set_policy_version();
CREATE TRIGGER tenants_inserted AFTER INSERT ON ledger.tenants
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.project_tenants();
CREATE TRIGGER tenants_updated AFTER UPDATE ON ledger.tenants
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.project_tenants();

CREATE TRIGGER api_keys_version BEFORE INSERT OR UPDATE ON ledger.api_keys
    FOR EACH ROW EXECUTE FUNCTION ledger.set_policy_version();
CREATE TRIGGER api_keys_inserted AFTER INSERT ON ledger.api_keys
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.project_keys();
CREATE TRIGGER api_keys_updated AFTER UPDATE ON ledger.api_keys
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.project_keys();

CREATE TRIGGER usage_totals_version BEFORE INSERT OR UPDATE ON ledger.usage_totals
    FOR EACH ROW EXECUTE FUNCTION ledger.set_policy_version();
CREATE TRIGGER usage_totals_inserted AFTER INSERT ON ledger.usage_totals
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.project_usage();
CREATE TRIGGER usage_totals_updated AFTER UPDATE ON ledger.usage_totals
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.project_usage();
