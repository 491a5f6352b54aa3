"""A secret is in no output: neither of commands that fail, nor in anything that they leave behind."""

from pathlib import Path

from support.project import ONE, Project

SECRET = "hunter2-do-not-keep"


def test_a_password_is_in_no_output_of_commands_that_fail(tmp_path: Path) -> None:
    project = Project(
        tmp_path / "home",
        settings=(
            ("ML_PLATFORM_ONLINE_STORE", "cassandra"),
            ("ML_PLATFORM_CASSANDRA__CONTACT_POINTS", '["127.0.0.1"]'),
            ("ML_PLATFORM_CASSANDRA__PORT", "1"),  # nobody listens there
            ("ML_PLATFORM_CASSANDRA__USERNAME", "ada"),
            ("ML_PLATFORM_CASSANDRA__PASSWORD", SECRET),
        ),
    )
    project("simulate", "--days", "9", "--end", "2021-01-09", "--customers", "60", "--terminals", "40")
    said = ""
    for arguments in (
        ("run", *ONE, "--verbose"),
        ("status",),
        ("features", "get", "customer_daily", "C100001", "--traceback"),
        ("features", "sync", "customer_daily"),
    ):
        done = project(*arguments, check=False)
        assert done.returncode != 0 or arguments == ("status",), done.stdout
        said += done.stdout + done.stderr
    assert "127.0.0.1:1" in said or "refused" in said  # the store was asked for, and could not be reached
    assert SECRET not in said
    kept = [path for path in project.home.rglob("*") if path.is_file()]
    assert any(path.name == "event_log.db" for path in kept)  # Dagster's events are among them
    assert [path for path in kept if SECRET.encode() in path.read_bytes()] == []
