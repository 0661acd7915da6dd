-- Events of payment providers, stored before they are answered and worked on afterwards.
CREATE TABLE webhooks.inbox (
    provider text NOT NULL,
    event_id text NOT NULL,
    type text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    payload jsonb NOT NULL,
    status text NOT NULL DEFAULT 'received',
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz DEFAULT now(),
    last_error text,
    CONSTRAINT inbox_pkey PRIMARY KEY (provider, event_id),
    CONSTRAINT inbox_provider_known CHECK (provider IN ('stripe', 'fondy')),
    CONSTRAINT inbox_event_id_sane CHECK (length(event_id) BETWEEN 1 AND 255),
    CONSTRAINT inbox_type_sane CHECK (length(type) BETWEEN 1 AND 255),
    CONSTRAINT inbox_status_known CHECK (status IN ('received', 'processing', 'done', 'dead')),
    CONSTRAINT inbox_attempts_not_negative CHECK (attempts >= 0),
    CONSTRAINT inbox_open_has_next_attempt CHECK (
        (status IN ('received', 'processing')) = (next_attempt_at IS NOT NULL)
    ),
    CONSTRAINT inbox_dead_has_error CHECK (status <> 'dead' OR last_error IS NOT NULL)
);

COMMENT ON COLUMN webhooks.inbox.event_id IS
    'The provider''s own id: an event delivered twice is stored once.';
COMMENT ON COLUMN webhooks.inbox.next_attempt_at IS
    'Received: when to work on it. Processing: when its worker counts as dead.';

-- Finds what is due, and counts by status without reading payloads.
CREATE INDEX inbox_by_status ON webhooks.inbox (status, next_attempt_at);
