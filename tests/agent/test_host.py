"""What this machine is."""

from underpass.agent.host import host_name, user_name


def test_names() -> None:
    """Short, and never empty."""
    assert host_name()
    assert "." not in host_name()
    assert user_name()
