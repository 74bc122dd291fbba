"""Words and tools that the tests share."""

LOGIN = "serviceAccount:login@shop.iam.gserviceaccount.com"
SEARCH = "serviceAccount:search@shop.iam.gserviceaccount.com"
STRANGER = "serviceAccount:mallory@evil.iam.gserviceaccount.com"
ANA = "user:ana@example.com"
AUDIENCE = "https://user-profiles.example"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
