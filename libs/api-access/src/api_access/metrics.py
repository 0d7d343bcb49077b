from prometheus_client import Counter

REFUSALS = Counter("access_refusals", "Requests refused for their key or its limits, by reason", ["reason"])
FALLBACKS = Counter("rate_limit_fallbacks", "Rate limits decided in this process, as Redis was away")
