"""How long a delivery waits between its tries."""

from models.webhooks import sending


def test_pauses_grow_to_six_hours_and_fill_three_days_with_some_twenty_tries() -> None:
    means = [5, 20, 80, 320, 1280, 5120, 20480, 21600, 21600]
    for tries, mean in enumerate(means, 1):
        assert 0.9 * mean <= sending.pause_seconds(tries) <= 1.1 * mean
    assert 0 < sending.pause_seconds(10_000) <= 1.1 * 21_600
    spent, tries = 0.0, 0
    while spent < 3 * 86_400:
        tries += 1
        spent += sending.pause_seconds(tries)
    assert 15 <= tries <= 22
