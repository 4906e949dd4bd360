"""Where a process logs."""

import logging

from experiments.logs import log_to


def test_a_second_run_of_a_process_logs_to_its_own_file(tmp_path, request):
    root = logging.getLogger()
    before, level = list(root.handlers), root.level

    def restore():
        root.setLevel(level)
        for handler in [handler for handler in root.handlers if handler not in before]:
            root.removeHandler(handler)
            handler.close()

    request.addfinalizer(restore)
    for run in ("first", "second"):
        log_to(tmp_path / run)
        logging.getLogger("experiments").info("This is the %s.", run)
    assert "This is the first." in (tmp_path / "first").read_text()
    assert "second" not in (tmp_path / "first").read_text()
    assert "This is the second." in (tmp_path / "second").read_text()
