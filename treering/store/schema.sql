-- Compiled from schema.py by `python -m treering.store.schema`; do not edit.

CREATE TABLE alert_rules (
    id VARCHAR NOT NULL,
    project VARCHAR NOT NULL,
    condition TEXT NOT NULL,
    targets BLOB NOT NULL,
    created_us BIGINT NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE alerts (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    time_us BIGINT NOT NULL,
    project VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    rule_id VARCHAR NOT NULL,
    occasion VARCHAR NOT NULL,
    level VARCHAR NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    waiting BLOB,
    due_us BIGINT NOT NULL,
    tries INTEGER DEFAULT '0' NOT NULL,
    trouble TEXT,
    UNIQUE (rule_id, run_id, occasion)
);

CREATE INDEX alerts_by_run ON alerts (run_id);

CREATE INDEX alerts_by_time ON alerts (time_us);

CREATE TABLE chunk_bases (
    id BLOB NOT NULL,
    base BLOB NOT NULL,
    PRIMARY KEY (id, base)
)
 WITHOUT ROWID;

CREATE INDEX chunk_bases_by_base ON chunk_bases (base);

CREATE TABLE dropped_versions (
    id VARCHAR NOT NULL,
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    run_id VARCHAR NOT NULL,
    created_us BIGINT NOT NULL,
    digest VARCHAR NOT NULL,
    size BIGINT NOT NULL,
    description TEXT,
    metadata BLOB,
    dropped_us BIGINT NOT NULL,
    why TEXT NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX dropped_versions_by_name ON dropped_versions (project, name);

CREATE INDEX dropped_versions_by_run ON dropped_versions (run_id);

CREATE TABLE pack_chunks (
    id BLOB NOT NULL,
    pack BIGINT NOT NULL,
    start BIGINT NOT NULL,
    stored INTEGER NOT NULL,
    size INTEGER NOT NULL,
    codec INTEGER NOT NULL,
    PRIMARY KEY (id)
)
 WITHOUT ROWID;

CREATE INDEX pack_chunks_by_pack ON pack_chunks (pack);

CREATE TABLE packs (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name VARCHAR NOT NULL,
    size BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    synced INTEGER NOT NULL,
    UNIQUE (name)
);

CREATE TABLE pending_versions (
    id VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    created_us BIGINT NOT NULL,
    fields BLOB NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX pending_versions_by_run ON pending_versions (run_id);

CREATE TABLE registry_events (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    time_us BIGINT NOT NULL,
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    version INTEGER,
    version_id VARCHAR,
    kind VARCHAR NOT NULL,
    who VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    details BLOB NOT NULL
);

CREATE INDEX registry_events_by_name ON registry_events (project, name);

CREATE TABLE reports (
    id VARCHAR NOT NULL,
    project VARCHAR NOT NULL,
    title TEXT NOT NULL,
    author TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    updated_us BIGINT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX reports_by_project ON reports (project, updated_us);

CREATE TABLE retention (
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    policy BLOB NOT NULL,
    PRIMARY KEY (project, name)
);

CREATE TABLE runs (
    id VARCHAR NOT NULL,
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    created_us BIGINT NOT NULL,
    updated_us BIGINT NOT NULL,
    ended_us BIGINT,
    attempt INTEGER DEFAULT '1' NOT NULL,
    group_name VARCHAR,
    job_type VARCHAR,
    notes TEXT,
    parent_id VARCHAR,
    parent_step BIGINT,
    resume_key VARCHAR,
    sweep VARCHAR,
    next_step BIGINT DEFAULT '0' NOT NULL,
    tags BLOB,
    config BLOB,
    summary BLOB,
    summary_set BLOB,
    definitions BLOB,
    failure BLOB,
    capture BLOB,
    PRIMARY KEY (id)
);

CREATE INDEX runs_by_project ON runs (project, created_us);

CREATE INDEX runs_by_resume_key ON runs (resume_key);

CREATE INDEX runs_by_state ON runs (state);

CREATE INDEX runs_by_sweep ON runs (sweep);

CREATE INDEX runs_by_time ON runs (created_us);

CREATE TABLE store_info (
    "key" VARCHAR NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY ("key")
);

CREATE TABLE sweeps (
    id VARCHAR NOT NULL,
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    created_us BIGINT NOT NULL,
    revision BIGINT DEFAULT '0' NOT NULL,
    created INTEGER DEFAULT '0' NOT NULL,
    suggester VARCHAR,
    suggester_until_us BIGINT DEFAULT '0' NOT NULL,
    source TEXT,
    config BLOB NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX sweeps_by_project ON sweeps (project, created_us);

CREATE TABLE versions (
    id VARCHAR NOT NULL,
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    run_id VARCHAR NOT NULL,
    created_us BIGINT NOT NULL,
    digest VARCHAR NOT NULL,
    size BIGINT NOT NULL,
    files INTEGER DEFAULT '0' NOT NULL,
    stored BIGINT DEFAULT '0' NOT NULL,
    base_id VARCHAR,
    expires_us BIGINT,
    description TEXT,
    metadata BLOB,
    PRIMARY KEY (id),
    UNIQUE (project, name, version)
);

CREATE INDEX versions_by_digest ON versions (digest);

CREATE INDEX versions_by_run ON versions (run_id);

CREATE TABLE views (
    id VARCHAR NOT NULL,
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    search TEXT NOT NULL,
    is_default INTEGER DEFAULT '0' NOT NULL,
    revision INTEGER DEFAULT '1' NOT NULL,
    updated_us BIGINT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (project, name)
);

CREATE TABLE aliases (
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    alias VARCHAR NOT NULL,
    version_id VARCHAR NOT NULL,
    moved_us BIGINT NOT NULL,
    PRIMARY KEY (project, name, alias),
    FOREIGN KEY(version_id) REFERENCES versions (id) ON DELETE CASCADE
);

CREATE TABLE attempts (
    run_id VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    state VARCHAR NOT NULL,
    started_us BIGINT NOT NULL,
    ended_us BIGINT,
    from_step BIGINT,
    first_row BIGINT NOT NULL,
    failure BLOB,
    config_changes BLOB,
    process BLOB,
    journal_segment BIGINT DEFAULT '0' NOT NULL,
    journal_offset BIGINT DEFAULT '0' NOT NULL,
    dropped_rows BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (run_id, attempt),
    FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);

CREATE TABLE columns (
    id INTEGER NOT NULL,
    run_id VARCHAR NOT NULL,
    stream VARCHAR NOT NULL,
    "key" VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    count BIGINT NOT NULL,
    stats BLOB NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (run_id, stream, "key"),
    FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);

CREATE TABLE deliveries (
    run_id VARCHAR NOT NULL,
    generation BIGINT NOT NULL,
    version BIGINT NOT NULL,
    fingerprint VARCHAR NOT NULL,
    said BLOB,
    stale INTEGER DEFAULT '0' NOT NULL,
    lapsed INTEGER DEFAULT '0' NOT NULL,
    seen_us BIGINT NOT NULL,
    PRIMARY KEY (run_id),
    FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);

CREATE TABLE filed_versions (
    id VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    version_id VARCHAR NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);

CREATE INDEX filed_versions_by_run ON filed_versions (run_id);

CREATE TABLE kept_here (
    version_id VARCHAR NOT NULL,
    PRIMARY KEY (version_id),
    FOREIGN KEY(version_id) REFERENCES versions (id) ON DELETE CASCADE
);

CREATE TABLE manifests (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    version_id VARCHAR NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (version_id),
    FOREIGN KEY(version_id) REFERENCES versions (id) ON DELETE CASCADE
);

CREATE TABLE report_comments (
    id VARCHAR NOT NULL,
    report_id VARCHAR NOT NULL,
    reply_to VARCHAR,
    author TEXT NOT NULL,
    time_us BIGINT NOT NULL,
    text TEXT NOT NULL,
    resolved_us BIGINT,
    resolved_by TEXT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(report_id) REFERENCES reports (id) ON DELETE CASCADE
);

CREATE INDEX report_comments_by_report ON report_comments (report_id, time_us);

CREATE TABLE report_versions (
    report_id VARCHAR NOT NULL,
    number INTEGER NOT NULL,
    time_us BIGINT NOT NULL,
    author TEXT NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    restored INTEGER,
    PRIMARY KEY (report_id, number),
    FOREIGN KEY(report_id) REFERENCES reports (id) ON DELETE CASCADE
);

CREATE TABLE run_colours (
    run_id VARCHAR NOT NULL,
    colour VARCHAR NOT NULL,
    PRIMARY KEY (run_id),
    FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);

CREATE TABLE run_tags (
    run_id VARCHAR NOT NULL,
    tag VARCHAR NOT NULL,
    PRIMARY KEY (run_id, tag),
    FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);

CREATE INDEX run_tags_by_tag ON run_tags (tag);

CREATE TABLE run_values (
    run_id VARCHAR NOT NULL,
    scope VARCHAR NOT NULL,
    "key" VARCHAR NOT NULL,
    number DOUBLE,
    text TEXT,
    PRIMARY KEY (run_id, scope, "key"),
    FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);

CREATE INDEX run_values_by_number ON run_values (scope, "key", number);

CREATE TABLE streams (
    run_id VARCHAR NOT NULL,
    stream VARCHAR NOT NULL,
    next_row BIGINT NOT NULL,
    PRIMARY KEY (run_id, stream),
    FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);

CREATE TABLE trials (
    sweep_id VARCHAR NOT NULL,
    number INTEGER NOT NULL,
    state VARCHAR NOT NULL,
    point_key VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    run_id VARCHAR NOT NULL,
    agent VARCHAR DEFAULT '' NOT NULL,
    lease_until_us BIGINT DEFAULT '0' NOT NULL,
    revision BIGINT NOT NULL,
    decided BIGINT DEFAULT '0' NOT NULL,
    holder BLOB,
    data BLOB NOT NULL,
    PRIMARY KEY (sweep_id, number),
    UNIQUE (sweep_id, point_key),
    FOREIGN KEY(sweep_id) REFERENCES sweeps (id) ON DELETE CASCADE
);

CREATE INDEX trials_by_revision ON trials (sweep_id, revision);

CREATE TABLE version_tags (
    version_id VARCHAR NOT NULL,
    tag VARCHAR NOT NULL,
    PRIMARY KEY (version_id, tag),
    FOREIGN KEY(version_id) REFERENCES versions (id) ON DELETE CASCADE
);

CREATE INDEX version_tags_by_tag ON version_tags (tag);

CREATE TABLE version_uses (
    version_id VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    used_us BIGINT NOT NULL,
    asked VARCHAR NOT NULL,
    PRIMARY KEY (version_id, run_id),
    FOREIGN KEY(version_id) REFERENCES versions (id) ON DELETE CASCADE
);

CREATE INDEX version_uses_by_run ON version_uses (run_id);

CREATE TABLE chunks (
    column_id INTEGER NOT NULL,
    first_row BIGINT NOT NULL,
    last_row BIGINT NOT NULL,
    count INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    level INTEGER NOT NULL,
    min DOUBLE,
    max DOUBLE,
    nan_count INTEGER NOT NULL,
    checksum BIGINT NOT NULL,
    rows BLOB,
    data BLOB NOT NULL,
    PRIMARY KEY (column_id, first_row),
    FOREIGN KEY(column_id) REFERENCES columns (id) ON DELETE CASCADE
);

PRAGMA user_version = 2;
