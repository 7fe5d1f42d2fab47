-- Compiled from schema.py by `python -m treering.store.schema`; do not edit.

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

CREATE TABLE store_info (
    "key" VARCHAR NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY ("key")
);

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
    description TEXT,
    metadata BLOB,
    PRIMARY KEY (id),
    UNIQUE (project, name, version)
);

CREATE INDEX versions_by_run ON versions (run_id);

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

CREATE TABLE version_files (
    version_id VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    size BIGINT NOT NULL,
    PRIMARY KEY (version_id, path),
    FOREIGN KEY(version_id) REFERENCES versions (id) ON DELETE CASCADE
);

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
    rows BLOB,
    data BLOB NOT NULL,
    checksum BIGINT NOT NULL,
    PRIMARY KEY (column_id, first_row),
    FOREIGN KEY(column_id) REFERENCES columns (id) ON DELETE CASCADE
);

PRAGMA user_version = 1;
