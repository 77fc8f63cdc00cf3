"""Create the view freshness: through which moment each table holds all that its topic does."""

from alembic import op

revision = "0049"
down_revision = "0048"


def upgrade() -> None:
    op.execute(
        """
        CREATE VIEW freshness AS
        SELECT f.table_name, f.topic,
            IF(COUNT(p.complete_through) < GREATEST(f.partitions, COUNT(p.kafka_partition)), NULL,
                MIN(p.complete_through)) AS complete_through,
            f.partitions, COALESCE(MIN(d.waiting), 0) AS dead_letters_waiting, f.rollup,
            MIN(r.behind_since) AS rollup_behind_since
        FROM table_feed f
        LEFT JOIN (
            SELECT topic, kafka_partition, MAX(complete_through) AS complete_through FROM progress
            WHERE LEFT(group_id, 1) <> '(' AND LEFT(group_id, 7) <> 'replay:'
            GROUP BY topic, kafka_partition
        ) p ON p.topic = f.topic
        LEFT JOIN (
            SELECT topic, COUNT(*) AS waiting FROM dead_letter WHERE status = 'waiting' GROUP BY topic
        ) d ON d.topic = f.topic
        LEFT JOIN (SELECT rollup, MIN(touched_on) AS behind_since FROM rollup_touched GROUP BY rollup) r
            ON r.rollup = f.rollup
        GROUP BY f.table_name, f.topic, f.partitions, f.rollup
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW freshness")
