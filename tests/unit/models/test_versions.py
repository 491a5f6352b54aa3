from ml_platform.models.training.versions import files_digest, training_key


def test_every_part_of_a_training_changes_its_key():
    base = ("d", "c", {"depth": 3}, {"xgboost": "3"})
    keys = {
        training_key(*base),
        training_key("e", *base[1:]),
        training_key("d", "e", *base[2:]),
        training_key("d", "c", {"depth": 4}, base[3]),
        training_key("d", "c", base[2], {"xgboost": "4"}),
    }
    assert len(keys) == 5
    assert training_key("d", "c", {"a": 1, "b": 2}, {}) == training_key("d", "c", {"b": 2, "a": 1}, {})


def test_files_digest_names_each_file_by_its_relative_path(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"")
    assert files_digest(tmp_path) == {
        "a/x": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    }
