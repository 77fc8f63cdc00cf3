CREATE TABLE IF NOT EXISTS progress (
    group_id VARCHAR(255) COLLATE utf8mb4_bin NOT NULL COMMENT 'the consumer group',
    topic VARCHAR(249) COLLATE utf8mb4_bin NOT NULL COMMENT 'the topic',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'the partition',
    topic_id VARCHAR(22) COLLATE utf8mb4_bin NOT NULL COMMENT 'Kafka''s own id of the topic; another one means that it was recreated',
    owner_epoch BIGINT UNSIGNED NOT NULL COMMENT 'raised by each claim; fences older owners',
    owner VARCHAR(255) COLLATE utf8mb4_bin NOT NULL COMMENT 'the client that claimed last',
    next_offset BIGINT UNSIGNED NOT NULL COMMENT 'everything before it is applied',
    complete_through DATETIME(6) COMMENT 'the moment (UTC) through which the partition is applied; never goes back',
    records_consumed BIGINT UNSIGNED NOT NULL COMMENT '= written + superseded + dead-lettered' DEFAULT '0',
    records_written BIGINT UNSIGNED NOT NULL COMMENT 'records of which a row was sent' DEFAULT '0',
    records_superseded BIGINT UNSIGNED NOT NULL COMMENT 'records none of whose rows was sent: older than another of their batch' DEFAULT '0',
    records_dead_lettered BIGINT UNSIGNED NOT NULL COMMENT 'records that were rejected' DEFAULT '0',
    updated_on DATETIME(6) NOT NULL COMMENT 'when this row was last written (UTC)',
    PRIMARY KEY (group_id, topic, kafka_partition)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='How far each partition is applied; written in the transaction of its rows' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS ledger (
    group_id VARCHAR(255) COLLATE utf8mb4_bin NOT NULL COMMENT 'the consumer group',
    topic VARCHAR(249) COLLATE utf8mb4_bin NOT NULL COMMENT 'the topic',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'the partition',
    table_name VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'where the rows were sent',
    rows_sent BIGINT UNSIGNED NOT NULL COMMENT '= inserted + updated + unchanged + suppressed' DEFAULT '0',
    rows_inserted BIGINT UNSIGNED NOT NULL COMMENT 'new keys' DEFAULT '0',
    rows_updated BIGINT UNSIGNED NOT NULL COMMENT 'newer versions' DEFAULT '0',
    rows_unchanged BIGINT UNSIGNED NOT NULL COMMENT 'duplicates, and versions older than the row' DEFAULT '0',
    rows_suppressed BIGINT UNSIGNED NOT NULL COMMENT 'rows about erased persons' DEFAULT '0',
    PRIMARY KEY (group_id, topic, kafka_partition, table_name)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='What became of the rows sent to each table' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS dead_letter (
    topic_id VARCHAR(22) COLLATE utf8mb4_bin NOT NULL COMMENT 'Kafka''s own id of the topic',
    topic VARCHAR(249) COLLATE utf8mb4_bin NOT NULL COMMENT 'where the record is',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where the record is',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where the record is',
    stage VARCHAR(16) COLLATE utf8mb4_bin NOT NULL COMMENT 'decode, validate or write',
    reason VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'a code of the runbook',
    field VARCHAR(64) COLLATE utf8mb4_bin COMMENT 'which field is at fault, where it is known',
    event_name VARCHAR(64) COLLATE utf8mb4_bin COMMENT 'which event it is by its schema, where that is known',
    status VARCHAR(16) COLLATE utf8mb4_bin NOT NULL COMMENT 'waiting, resolved, discarded, erased or expired',
    attempts INTEGER UNSIGNED NOT NULL COMMENT 'how often it was rejected',
    record_time DATETIME(6) NOT NULL COMMENT 'Kafka''s timestamp of the record (UTC)',
    first_rejected_on DATETIME(6) NOT NULL COMMENT 'UTC',
    last_rejected_on DATETIME(6) NOT NULL COMMENT 'UTC',
    record_key MEDIUMBLOB COMMENT 'as it came',
    record_value LONGBLOB COMMENT 'as it came',
    record_headers MEDIUMTEXT COMMENT 'JSON: [[name, base64 of the value or null], …]',
    discarded_because VARCHAR(200) COLLATE utf8mb4_bin COMMENT 'what whoever discarded it said',
    published_on DATETIME(6) COMMENT 'when it was last copied to the dead letter topic (UTC)',
    PRIMARY KEY (topic_id, topic, kafka_partition, kafka_offset),
    KEY ix_dead_letter_last_rejected_on (last_rejected_on),
    KEY ix_dead_letter_status_reason (status, reason),
    KEY ix_dead_letter_topic_record_key (topic, record_key(64)),
    KEY ix_dead_letter_status_last_rejected_on (status, last_rejected_on)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Records that were rejected, with why; each exactly once, by its coordinates' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS erasure (
    person_kind VARCHAR(16) COLLATE utf8mb4_bin NOT NULL COMMENT 'app, clerk or telegram',
    person_id VARCHAR(256) COLLATE utf8mb4_bin NOT NULL COMMENT 'the id as text',
    erased_on DATETIME(6) NOT NULL COMMENT 'when the erasing event occurred, the latest of them (UTC)',
    returned_on DATETIME(6) COMMENT 'when the person came back after that (UTC): what occurred later is stored',
    swept_on DATETIME(6) COMMENT 'when the last of what was stored before was removed (UTC); null until then',
    PRIMARY KEY (person_kind, person_id),
    KEY ix_erasure_swept_on (swept_on)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Persons of whom nothing may be stored again, or only what occurred after their return' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS hntb_bytemark_pass (
    bytemark_pass_id INTEGER UNSIGNED NOT NULL COMMENT 'names the interaction',
    user_id VARCHAR(256) COLLATE utf8mb4_bin NOT NULL COMMENT 'the research participant: an app user''s id as text',
    logged_on DATETIME(6) NOT NULL COMMENT 'when the pass was logged (UTC)',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (bytemark_pass_id),
    KEY ix_hntb_bytemark_pass_user_id_logged_on (user_id, logged_on),
    KEY ix_hntb_bytemark_pass_logged_on_user_id (logged_on, user_id)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Interactions with Bytemark passes, for the HNTB research platform' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS bytemark_pass (
    bytemark_pass_id INTEGER UNSIGNED NOT NULL COMMENT 'names the interaction',
    user_id VARCHAR(256) COLLATE utf8mb4_bin NOT NULL COMMENT 'the rider: an app user''s id as text',
    interaction VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'what happened, such as activated, validated or expired',
    logged_on DATETIME(6) NOT NULL COMMENT 'when the pass was logged (UTC)',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (bytemark_pass_id),
    KEY ix_bytemark_pass_logged_on (logged_on),
    KEY ix_bytemark_pass_user_id (user_id)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Usage and validation of Bytemark passes, for QuickSight' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS trip (
    id INTEGER UNSIGNED NOT NULL COMMENT 'names the trip',
    user_id INTEGER UNSIGNED NOT NULL COMMENT 'the app user who travelled',
    travel_mode VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'such as walking, transit or driving',
    started_on DATETIME(6) NOT NULL COMMENT 'UTC',
    ended_on DATETIME(6) COMMENT 'UTC; null while the trip is under way',
    distance DOUBLE NOT NULL COMMENT 'in metres',
    origin_latitude DOUBLE COMMENT 'degrees (WGS 84)',
    origin_longitude DOUBLE COMMENT 'degrees (WGS 84)',
    destination_latitude DOUBLE COMMENT 'degrees (WGS 84)',
    destination_longitude DOUBLE COMMENT 'degrees (WGS 84)',
    fare DECIMAL(10, 2) COMMENT 'null where none is known',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (id),
    KEY ix_trip_started_on (started_on),
    KEY ix_trip_user_id_started_on (user_id, started_on)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Trips with any mode of travel, for QuickSight' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS hntb_trip (
    trip_id INTEGER UNSIGNED NOT NULL COMMENT 'names the trip',
    user_id VARCHAR(256) COLLATE utf8mb4_bin NOT NULL COMMENT 'the research participant: an app user''s id as text',
    travel_mode VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'such as walking, transit or driving',
    started_on DATETIME(6) NOT NULL COMMENT 'UTC',
    ended_on DATETIME(6) COMMENT 'UTC; null while the trip is under way',
    distance DOUBLE NOT NULL COMMENT 'in metres',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (trip_id),
    KEY ix_hntb_trip_started_on (started_on),
    KEY ix_hntb_trip_user_id_started_on (user_id, started_on)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Trips, for the HNTB research platform' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS user_rating (
    id INTEGER UNSIGNED NOT NULL COMMENT 'names the rating',
    user_id INTEGER UNSIGNED NOT NULL COMMENT 'the app user who rated',
    trip_id INTEGER UNSIGNED NOT NULL COMMENT 'the trip that was rated',
    rating TINYINT UNSIGNED NOT NULL COMMENT '1 (worst) to 5 (best)',
    feedback VARCHAR(512) COMMENT 'in the rider''s own words',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (id),
    KEY ix_user_rating_trip_id (trip_id),
    KEY ix_user_rating_user_id (user_id)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='How riders rated their trips' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS erasure_removal (
    person_kind VARCHAR(16) COLLATE utf8mb4_bin NOT NULL COMMENT 'app, clerk or telegram',
    person_id VARCHAR(256) COLLATE utf8mb4_bin NOT NULL COMMENT 'the id as text',
    table_name VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'where the rows were',
    rows_removed BIGINT UNSIGNED NOT NULL COMMENT 'rows deleted, or kept with their personal columns emptied' DEFAULT '0',
    PRIMARY KEY (person_kind, person_id, table_name)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='What erasing a person removed from where' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS person_return (
    person_kind VARCHAR(16) COLLATE utf8mb4_bin NOT NULL COMMENT 'app, clerk or telegram',
    person_id VARCHAR(256) COLLATE utf8mb4_bin NOT NULL COMMENT 'the id as text',
    returned_on DATETIME(6) NOT NULL COMMENT 'when the event of the return occurred (UTC)',
    PRIMARY KEY (person_kind, person_id, returned_on)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='When persons came back: after their latest erasure, or before any was known' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS suppressed_record (
    topic_id VARCHAR(22) COLLATE utf8mb4_bin NOT NULL COMMENT 'Kafka''s own id of the topic',
    topic VARCHAR(249) COLLATE utf8mb4_bin NOT NULL COMMENT 'where the record is',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where the record is',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where the record is',
    person_kind VARCHAR(16) COLLATE utf8mb4_bin NOT NULL COMMENT 'app, clerk or telegram',
    person_id VARCHAR(256) COLLATE utf8mb4_bin NOT NULL COMMENT 'the id as text',
    event_time DATETIME(6) NOT NULL COMMENT 'when its event occurred (UTC)',
    noted_on DATETIME(6) NOT NULL COMMENT 'UTC',
    PRIMARY KEY (topic_id, topic, kafka_partition, kafka_offset, person_kind, person_id),
    KEY ix_suppressed_record_noted_on (noted_on),
    KEY ix_suppressed_record_person_kind_person_id_event_time (person_kind, person_id, event_time)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Records left out of erased persons who may come back: applied once an older return is known' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS auth_user (
    id INTEGER UNSIGNED NOT NULL COMMENT 'names the app user',
    first_name VARCHAR(128) COMMENT 'as the user gave it',
    last_name VARCHAR(128) COMMENT 'as the user gave it',
    email VARCHAR(512) COMMENT 'as the user gave it',
    google_id VARCHAR(32) COLLATE utf8mb4_bin COMMENT 'of a Google account, where one is used to sign in',
    facebook_id VARCHAR(32) COLLATE utf8mb4_bin COMMENT 'of a Facebook account, where one is used to sign in',
    apple_id VARCHAR(512) COLLATE utf8mb4_bin COMMENT 'of an Apple account, where one is used to sign in',
    registration_latitude DOUBLE COMMENT 'degrees (WGS 84), where the user registered',
    registration_longitude DOUBLE COMMENT 'degrees (WGS 84), where the user registered',
    device_token VARCHAR(512) COLLATE utf8mb4_bin COMMENT 'where notifications go',
    enterprise_id INTEGER UNSIGNED COMMENT '0 or null for none',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (id),
    KEY ix_auth_user_created_on (created_on)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Users of the app' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS users (
    clerk_id VARCHAR(256) COLLATE utf8mb4_bin NOT NULL COMMENT 'names the Clerk account',
    email VARCHAR(512) COMMENT 'the primary address',
    first_name VARCHAR(128) NOT NULL COMMENT 'empty where none is given',
    last_name VARCHAR(128) NOT NULL COMMENT 'empty where none is given',
    `role` VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'such as user or admin',
    role_version BINARY(24) NOT NULL COMMENT 'version: of the event that last named role; 0 for none',
    status VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'such as active',
    status_version BINARY(24) NOT NULL COMMENT 'version: of the event that last named status; 0 for none',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (clerk_id)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Clerk accounts' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS user_data (
    clerk_id VARCHAR(256) COLLATE utf8mb4_bin NOT NULL COMMENT 'the Clerk account',
    `key` VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'which value, such as preferences',
    value TEXT NOT NULL COMMENT 'JSON, as text',
    value_version BINARY(24) NOT NULL COMMENT 'version: of the event that last named value; 0 for none',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (clerk_id, `key`)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='What is known of Clerk accounts, by key' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS user_name_history (
    clerk_id VARCHAR(256) COLLATE utf8mb4_bin NOT NULL COMMENT 'the Clerk account',
    first_name VARCHAR(128) NOT NULL COMMENT 'the new one',
    last_name VARCHAR(128) NOT NULL COMMENT 'the new one',
    changed_by VARCHAR(256) COLLATE utf8mb4_bin COMMENT 'the administrator''s Clerk id; null where the user did it',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (event_id),
    KEY ix_user_name_history_changed_by (changed_by),
    KEY ix_user_name_history_clerk_id (clerk_id)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Names that Clerk accounts were given, a row for each change' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS user_sign_in (
    clerk_id VARCHAR(256) COLLATE utf8mb4_bin NOT NULL COMMENT 'the Clerk account',
    signed_in_on DATETIME(6) NOT NULL COMMENT 'UTC',
    device VARCHAR(512) COMMENT 'as the browser or the app says',
    ip VARCHAR(45) COLLATE utf8mb4_bin COMMENT 'where it came from',
    success TINYINT(1) NOT NULL COMMENT '1 where it succeeded',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (event_id),
    KEY ix_user_sign_in_clerk_id (clerk_id),
    KEY ix_user_sign_in_signed_in_on (signed_in_on)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Attempts to sign in to Clerk accounts, a row each' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS bytemark_order_payments (
    id INTEGER UNSIGNED NOT NULL COMMENT 'the payment''s id',
    order_id INTEGER UNSIGNED NOT NULL COMMENT 'the order that was paid',
    user_id INTEGER UNSIGNED NOT NULL COMMENT 'the app user who paid',
    payment_type VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'such as credit_card, stored_value or points',
    card VARCHAR(32) COLLATE utf8mb4_bin COMMENT 'what is shown of the card; null where it was none',
    total_price DECIMAL(10, 2) NOT NULL COMMENT 'what was paid',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (id),
    KEY ix_bytemark_order_payments_order_id (order_id),
    KEY ix_bytemark_order_payments_user_id (user_id),
    KEY ix_bytemark_order_payments_created_on (created_on)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Payments for orders of transit tickets' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS bytemark_order_items (
    id INTEGER UNSIGNED NOT NULL COMMENT 'the item''s id',
    order_id INTEGER UNSIGNED NOT NULL COMMENT 'the order that it came of',
    user_id INTEGER UNSIGNED NOT NULL COMMENT 'the app user who ordered',
    product_name VARCHAR(128) NOT NULL COMMENT 'such as Adult Day Pass',
    price DECIMAL(10, 2) NOT NULL COMMENT 'what it cost',
    valid_from DATETIME(6) COMMENT 'UTC; null until it is activated',
    valid_until DATETIME(6) COMMENT 'UTC; null until it is activated',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (id),
    KEY ix_bytemark_order_items_order_id (order_id),
    KEY ix_bytemark_order_items_user_id (user_id)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Tickets and passes that came of orders' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS cm_activity_location (
    id INTEGER UNSIGNED NOT NULL COMMENT 'names the way between the two clusters',
    user_id INTEGER UNSIGNED NOT NULL COMMENT 'the app user who travels',
    o_id INTEGER UNSIGNED NOT NULL COMMENT 'the cluster of places where the way begins',
    d_id INTEGER UNSIGNED NOT NULL COMMENT 'the cluster of places where the way ends',
    travel_mode VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'such as walking, transit or driving',
    probability_driving DOUBLE COMMENT '0 to 1; null where unknown',
    probability_transit DOUBLE COMMENT '0 to 1; null where unknown',
    probability_walking DOUBLE COMMENT '0 to 1; null where unknown',
    probability_cycling DOUBLE COMMENT '0 to 1; null where unknown',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (id),
    KEY ix_cm_activity_location_user_id (user_id),
    KEY ix_cm_activity_location_ways (o_id, d_id, travel_mode, probability_driving, probability_transit)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Ways between clusters of places' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS user_label (
    id INTEGER UNSIGNED NOT NULL COMMENT 'names the label',
    name VARCHAR(128) NOT NULL COMMENT 'what people call it',
    description VARCHAR(512) COMMENT 'what it means',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (id)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Labels by which users are grouped' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS auth_user_label (
    user_id INTEGER UNSIGNED NOT NULL COMMENT 'the app user',
    label_id INTEGER UNSIGNED NOT NULL COMMENT 'the label',
    is_deleted TINYINT(1) NOT NULL COMMENT '1 where the label was taken away',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (user_id, label_id),
    KEY ix_auth_user_label_label_id (label_id)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Which users have which labels, and had' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS referral_history (
    id INTEGER UNSIGNED NOT NULL COMMENT 'names the referral',
    sender_user_id INTEGER UNSIGNED COMMENT 'who recommended the app; null once they are erased',
    receiver_user_id INTEGER UNSIGNED NOT NULL COMMENT 'who came',
    referral_code VARCHAR(64) COLLATE utf8mb4_bin COMMENT 'the code that was used',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (id),
    KEY ix_referral_history_receiver_user_id (receiver_user_id),
    KEY ix_referral_history_sender_user_id (sender_user_id)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Who brought whom to the app' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS points_transaction (
    id INTEGER UNSIGNED NOT NULL COMMENT 'names the transaction',
    user_id INTEGER UNSIGNED NOT NULL COMMENT 'the app user whose points they are',
    activity_type INTEGER UNSIGNED NOT NULL COMMENT 'what it was for',
    points DECIMAL(10, 2) NOT NULL COMMENT 'negative where they were spent',
    balance DECIMAL(10, 2) NOT NULL COMMENT 'what the user has since',
    note VARCHAR(200) COMMENT 'in words; null where nobody left any',
    payer INTEGER UNSIGNED NOT NULL COMMENT 'who pay the coins; 0 for nobody',
    payee INTEGER UNSIGNED NOT NULL COMMENT 'who receive the coins; 0 for nobody',
    ref_transaction_id INTEGER UNSIGNED NOT NULL COMMENT '0 where it refers to none',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (id),
    KEY ix_points_transaction_created_on (created_on),
    KEY ix_points_transaction_user_id_created_on_points (user_id, created_on, points)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='The ledger of points' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS token_transaction (
    id INTEGER UNSIGNED NOT NULL COMMENT 'names the transaction',
    user_id INTEGER UNSIGNED NOT NULL COMMENT 'the app user whose tokens they are',
    enterprise_id INTEGER UNSIGNED COMMENT 'null where it is of none',
    activity_type INTEGER UNSIGNED COMMENT 'what it was for',
    tokens DECIMAL(10, 2) COMMENT 'negative where they were spent',
    balance DECIMAL(10, 2) COMMENT 'what the user has since',
    campaign_id INTEGER UNSIGNED COMMENT 'a campaign''s ap_campaign_id',
    f_agency_id INTEGER UNSIGNED NOT NULL COMMENT '0 for none',
    f_token_id INTEGER UNSIGNED NOT NULL COMMENT '0 for none',
    issued_on DATETIME(6) NOT NULL COMMENT 'UTC',
    expired_on DATETIME(6) COMMENT 'UTC; null where they do not expire',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (id),
    KEY ix_token_transaction_issued_on (issued_on),
    KEY main_query_index_1 (user_id, activity_type, f_agency_id, f_token_id, issued_on, expired_on),
    KEY ix_token_transaction_campaign_id_user_id_issued_on_tokens (campaign_id, user_id, issued_on, tokens)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='The ledger of campaigns'' tokens' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS campaign (
    id INTEGER UNSIGNED NOT NULL COMMENT 'names the campaign',
    ap_campaign_id INTEGER UNSIGNED NOT NULL COMMENT 'what tokens refer to',
    token_id INTEGER UNSIGNED NOT NULL COMMENT '0 for none',
    name VARCHAR(32) NOT NULL COMMENT 'what people call it',
    tokens DECIMAL(10, 2) NOT NULL COMMENT 'how many it may hand out',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (id),
    CONSTRAINT uq_campaign_ap_campaign_id UNIQUE (ap_campaign_id)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Campaigns that hand out tokens' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS hntb_target_user (
    id INTEGER UNSIGNED NOT NULL COMMENT 'names the registration',
    hash_id VARCHAR(256) COLLATE utf8mb4_bin NOT NULL COMMENT 'names the participant within the study; never the user''s id',
    study_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'the study',
    key_id VARCHAR(16) COLLATE utf8mb4_bin COMMENT 'names the key of the hash; null where it was made elsewhere',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (id),
    KEY ix_hntb_target_user_created_on (created_on),
    KEY ix_hntb_target_user_hash_id (hash_id),
    KEY ix_hntb_target_user_study_id (study_id)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Who takes part in which study, for the HNTB research platform' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS bookings (
    id INTEGER UNSIGNED NOT NULL COMMENT 'names the booking',
    user_id BIGINT UNSIGNED NOT NULL COMMENT 'the Telegram user',
    username TEXT COMMENT 'in Telegram, when this was told',
    first_name TEXT COMMENT 'in Telegram, when this was told',
    course_stream VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT '3rd_stream, 4th_stream or 5th_stream',
    confirmed TINYINT UNSIGNED NOT NULL COMMENT '0 booked, 1 payment announced, 2 confirmed',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (id),
    KEY ix_bookings_course_stream_confirmed (course_stream, confirmed),
    KEY ix_bookings_user_id (user_id)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Bookings of courses' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS free_lesson_registrations (
    id INTEGER UNSIGNED NOT NULL COMMENT 'names the registration',
    user_id BIGINT UNSIGNED NOT NULL COMMENT 'the Telegram user',
    username TEXT COMMENT 'in Telegram, when this was told',
    first_name TEXT COMMENT 'in Telegram, when this was told',
    lesson_on DATETIME(6) COMMENT 'UTC; null where no date is set',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (id),
    KEY ix_free_lesson_registrations_user_id (user_id)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Registrations for free lessons' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS events (
    id INTEGER UNSIGNED NOT NULL COMMENT 'names what was done',
    user_id BIGINT UNSIGNED NOT NULL COMMENT 'the Telegram user',
    event_type VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'such as start, lesson_opened or payment_opened',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (id),
    KEY ix_events_user_id_created_on (user_id, created_on)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='What users did with the bot' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS telegram_user (
    user_id BIGINT UNSIGNED NOT NULL COMMENT 'the Telegram user',
    username TEXT COMMENT 'in Telegram, the latest',
    first_name TEXT COMMENT 'in Telegram, the latest',
    username_start VARCHAR(64) COLLATE utf8mb4_unicode_520_ci GENERATED ALWAYS AS (LEFT(username, 64)) STORED COMMENT 'the first 64 characters of username, for searching',
    first_name_start VARCHAR(64) COLLATE utf8mb4_unicode_520_ci GENERATED ALWAYS AS (LEFT(first_name, 64)) STORED COMMENT 'the first 64 characters of first_name, for searching',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (user_id),
    KEY ix_telegram_user_username_start (username_start),
    KEY ix_telegram_user_first_name_start (first_name_start)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Users of the Telegram bot, each under the latest name' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS message_history (
    id INTEGER UNSIGNED NOT NULL COMMENT 'names the message',
    text VARCHAR(4096) COMMENT 'null where it has none',
    media_type VARCHAR(32) COLLATE utf8mb4_bin COMMENT 'such as photo, video or document; null for text alone',
    caption VARCHAR(1024) COMMENT 'below the media; null where there is none',
    is_deleted TINYINT(1) NOT NULL COMMENT '1 where the message was deleted; then nothing else is left of it',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (id)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Messages to learners' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS message_recipients (
    message_id INTEGER UNSIGNED NOT NULL COMMENT 'the message',
    user_id BIGINT UNSIGNED NOT NULL COMMENT 'the Telegram user',
    delivery_status VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'pending, sent, delivered or failed',
    delivered_on DATETIME(6) COMMENT 'UTC; null until it is',
    created_on DATETIME(6) NOT NULL COMMENT 'when the entity came to be (UTC)',
    modified_on DATETIME(6) NOT NULL COMMENT 'when the event that last won occurred (UTC)',
    event_time DATETIME(6) NOT NULL COMMENT 'version: occurred_at of the event that last won',
    event_id BINARY(16) NOT NULL COMMENT 'version: id of the event that last won',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'where that event came from',
    kafka_offset BIGINT UNSIGNED NOT NULL COMMENT 'where that event came from',
    loaded_on DATETIME(6) NOT NULL COMMENT 'when the row was last written (UTC)',
    PRIMARY KEY (message_id, user_id),
    CONSTRAINT fk_message_recipients_message_id FOREIGN KEY(message_id) REFERENCES message_history (id) ON DELETE CASCADE,
    KEY ix_message_recipients_user_id (user_id)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Who gets a message, and how far it is' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS offset_reset (
    group_id VARCHAR(255) COLLATE utf8mb4_bin NOT NULL COMMENT 'the consumer group',
    topic VARCHAR(249) COLLATE utf8mb4_bin NOT NULL COMMENT 'the topic',
    kafka_partition INTEGER UNSIGNED NOT NULL COMMENT 'the partition',
    owner_epoch BIGINT UNSIGNED NOT NULL COMMENT 'the epoch that the reset began',
    from_offset BIGINT UNSIGNED COMMENT 'next_offset before; null where there was no progress',
    to_offset BIGINT UNSIGNED NOT NULL COMMENT 'next_offset from then on',
    reset_on DATETIME(6) NOT NULL COMMENT 'UTC',
    PRIMARY KEY (group_id, topic, kafka_partition, owner_epoch)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Where an operator moved progress: why records of a partition are counted twice, or not at all' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS replay_run (
    run_id VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'names the run; its progress and ledgers are of group replay:<run_id>',
    ranges MEDIUMTEXT NOT NULL COMMENT 'JSON: [[topic, partition, topic id, first offset, the offset behind the last], …]',
    rewrites TINYINT(1) NOT NULL COMMENT '1 where an event may change the row that it wrote before',
    rows_before MEDIUMTEXT NOT NULL COMMENT 'JSON: rows by table and date of created_on when the run began',
    started_on DATETIME(6) NOT NULL COMMENT 'when the run began (UTC)',
    ended_on DATETIME(6) COMMENT 'when the last of its records was applied (UTC); null until then',
    PRIMARY KEY (run_id)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Which part of the log each replay reads again' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS rollup_passes (
    period_start DATETIME NOT NULL COMMENT 'a quarter of an hour begins (UTC)',
    passes BIGINT NOT NULL COMMENT 'interactions with passes that were logged in the period',
    PRIMARY KEY (period_start)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Interactions with Bytemark passes, by the quarter of an hour' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS rollup_revenue (
    period_start DATETIME NOT NULL COMMENT 'a quarter of an hour begins (UTC)',
    points DECIMAL(38, 2) NOT NULL COMMENT 'points that users got; those that they spent are left out',
    tokens DECIMAL(38, 2) NOT NULL COMMENT 'tokens that users got; those that they spent are left out',
    bytemark DECIMAL(38, 2) NOT NULL COMMENT 'what was paid for orders of transit tickets, less what was paid back',
    PRIMARY KEY (period_start)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Points, tokens and payments, by the quarter of an hour' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS rollup_trips (
    period_start DATETIME NOT NULL COMMENT 'a quarter of an hour begins (UTC)',
    travel_mode VARCHAR(32) COLLATE utf8mb4_bin NOT NULL COMMENT 'such as walking, transit or driving',
    trips BIGINT NOT NULL COMMENT 'trips that began in the period',
    distance_sum DECIMAL(38, 3) NOT NULL COMMENT 'in metres; each trip''s is rounded to a millimetre, so that sums agree',
    distances BIGINT NOT NULL COMMENT 'trips that have a distance: what an average divides by',
    PRIMARY KEY (period_start, travel_mode)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Trips by mode of travel, by the quarter of an hour' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS rollup_touched (
    id BIGINT UNSIGNED NOT NULL COMMENT 'names the entry; one that is committed later may have a smaller id' AUTO_INCREMENT,
    rollup VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'the rollup',
    period_start DATETIME NOT NULL COMMENT 'the period to be summed again (UTC)',
    touched_on DATETIME(6) NOT NULL COMMENT 'when rows of the period were written or removed (UTC)',
    PRIMARY KEY (id),
    KEY ix_rollup_touched_rollup_id (rollup, id)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Periods whose rows changed since they were last summed' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS rollup_refresh (
    rollup VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'the rollup; whoever sums locks its row',
    refreshed_on DATETIME(6) COMMENT 'when periods were last summed (UTC); null where none was yet',
    PRIMARY KEY (rollup)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Who sums a rollup, one process at a time, and when that was' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS late_change (
    table_name VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'where rows changed',
    business_date DATE NOT NULL COMMENT 'the date under which dashboards show them (UTC)',
    first_changed_on DATETIME(6) NOT NULL COMMENT 'UTC',
    last_changed_on DATETIME(6) NOT NULL COMMENT 'UTC',
    changes BIGINT UNSIGNED NOT NULL COMMENT 'rows written or removed after the look-back window had passed the date' DEFAULT '0',
    PRIMARY KEY (table_name, business_date),
    KEY ix_late_change_last_changed_on (last_changed_on)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Business dates that changed when dashboards no longer looked at them' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS table_feed (
    table_name VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'the table',
    topic VARCHAR(249) COLLATE utf8mb4_bin NOT NULL COMMENT 'a topic whose events feed it',
    partitions INTEGER UNSIGNED NOT NULL COMMENT 'how many the topic had when `stream run` last started',
    rollup VARCHAR(64) COLLATE utf8mb4_bin COMMENT 'where the table''s rows are summed; null where they are not',
    PRIMARY KEY (table_name, topic)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Which topics feed which tables, as `stream run` found it when it started' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS data_quality (
    check_name VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'names the check',
    faults BIGINT UNSIGNED COMMENT 'how many rows are at fault; null where the check took too long or was refused',
    sample VARCHAR(1000) COLLATE utf8mb4_bin NOT NULL COMMENT 'some of them, by their keys or the coordinates of their events',
    meaning VARCHAR(250) COLLATE utf8mb4_bin NOT NULL COMMENT 'what a row at fault is',
    seconds DOUBLE NOT NULL COMMENT 'how long the check took',
    checked_on DATETIME(6) NOT NULL COMMENT 'when it was last run (UTC)',
    PRIMARY KEY (check_name)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='What the checks of data quality found last' COLLATE utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS declared_view (
    view_name VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'the view',
    made_from VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'SHA-256 of the SQL that made it; another one means that its declaration changed',
    stored_as VARCHAR(64) COLLATE utf8mb4_bin NOT NULL COMMENT 'SHA-256 of the server''s text of it; another one means that somebody changed it',
    PRIMARY KEY (view_name)
) ENGINE=InnoDB CHARSET=utf8mb4 COMMENT='Which views `stream migrate` made, and from what' COLLATE utf8mb4_unicode_ci;
