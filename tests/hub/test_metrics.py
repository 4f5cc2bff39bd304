"""The numbers, in Prometheus' format."""

from underpass.hub.metrics import Metrics


def test_requests_are_counted_by_few_labels() -> None:
    """A made-up method is no new series."""
    metrics = Metrics()
    metrics.observe("api", "GET", 200, 0.01)
    metrics.observe("api", "GET", 204, 0.01)
    metrics.observe("api", "X" * 50, 404, 0.01)
    text = metrics.text().decode()
    assert 'underpass_http_requests_total{kind="api",method="GET",status="2xx"} 2.0' in text
    assert 'underpass_http_requests_total{kind="api",method="other",status="4xx"} 1.0' in text
    assert "XXX" not in text
    assert 'underpass_http_request_seconds_count{kind="api"} 3.0' in text


def test_gauges_are_asked_at_each_scrape() -> None:
    """What is true now, with its help."""
    metrics, now = Metrics(), {"value": 1.0}
    metrics.add_gauges(lambda: {"underpass_links_up": ("Agents.", now["value"])})
    assert "underpass_links_up 1.0" in metrics.text().decode()
    now["value"] = 2.0
    assert "underpass_links_up 2.0" in metrics.text().decode()
    assert "# HELP underpass_links_up Agents." in metrics.text().decode()
