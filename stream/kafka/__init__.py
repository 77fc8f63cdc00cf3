"""All that imports Kafka's client: its configuration, questions to the brokers, the consumer, a producer, topics."""
