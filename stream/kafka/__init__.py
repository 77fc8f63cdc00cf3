"""The edge to Kafka: all that imports Kafka's client."""
