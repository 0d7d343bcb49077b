from prometheus_client import Counter

jobs_claimed = Counter("ci_jobs_claimed", "Attempts that a controller has taken from the queue")
jobs_ended = Counter("ci_jobs_ended", "Attempts that have ended, by what they have come to", ["status"])
