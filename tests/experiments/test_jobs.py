"""An output directory belongs to one job; its reruns finish, skip, or are refused."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tfblindspots import runtime
from tfblindspots.artifacts import MANIFEST, build_manifest, read_json, write_json
from tfblindspots.errors import InputError
from tfblindspots.experiments.jobs import CLAIM, Job, Stopwatch
from tfblindspots.experiments.locking import LOCK

FLAGS = {"target": "random", "seed": 0, "models": ("a", "b")}
INPUTS = {"model": {"name": "fc10-1", "fingerprint": "f00d"}}


def make_job(directory: Path, kind: str = "adversarial_set", **replaced: object) -> Job:
    return Job(directory, kind, FLAGS | replaced, INPUTS)


def finish(job: Job) -> None:
    manifest = build_manifest(job.kind, flags=job.flags, seed=0, inputs=job.inputs, seconds=1)
    write_json(job.directory / MANIFEST, manifest)


def test_a_new_directory_is_not_finished(tmp_path: Path) -> None:
    assert make_job(tmp_path).finished() is None
    assert make_job(tmp_path / "absent").finished() is None


def test_a_finished_job_gives_its_manifest(tmp_path: Path) -> None:
    job = make_job(tmp_path / "out")
    with job.claim():
        finish(job)
    manifest = job.finished()
    assert manifest is not None
    assert manifest["flags"]["target"] == "random"
    assert [path.name for path in job.directory.iterdir()] == [MANIFEST]


def test_a_finished_job_of_which_a_file_is_gone_is_refused(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    finish(job)
    manifest = read_json(tmp_path / MANIFEST)
    write_json(tmp_path / MANIFEST, {**manifest, "shards": {"set-test.tfrecord-00000": "5ead"}})
    with pytest.raises(InputError, match=r"but its file set-test.tfrecord-00000 is gone; delete"):
        job.finished()
    (tmp_path / "set-test.tfrecord-00000").touch()
    assert job.finished() is not None
    with pytest.raises(InputError, match=r"but its file results.json is gone; delete the dir"):
        job.finished(parts=["results.json"])


def test_a_job_of_other_determinism_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(make_job(tmp_path / "finished"))
    with pytest.raises(KeyboardInterrupt), make_job(tmp_path / "begun").claim():
        (tmp_path / "begun" / "a").touch()
        raise KeyboardInterrupt
    monkeypatch.setattr(runtime, "is_deterministic", lambda: True)
    message = r"\(--deterministic=False there, True here\); repeat those or name a new directory"
    with pytest.raises(InputError, match=message):
        make_job(tmp_path / "finished").finished()
    with pytest.raises(InputError, match=message), make_job(tmp_path / "begun").claim(["a"]):
        pass
    (tmp_path / "another").mkdir()
    finish(make_job(tmp_path / "another"))
    manifest = make_job(tmp_path / "another").finished()
    assert manifest is not None
    assert manifest["deterministic"] is True


def test_a_finished_job_of_other_settings_is_refused(tmp_path: Path) -> None:
    finish(make_job(tmp_path))
    with pytest.raises(InputError) as error:
        make_job(tmp_path, seed=1, target="3").finished()
    assert str(error.value) == (
        f"output_dir {tmp_path} belongs to a run with other settings (--target=random there, 3 "
        "here; --seed=0 there, 1 here); repeat those or name a new directory."
    )


def test_a_finished_job_of_another_model_is_refused(tmp_path: Path) -> None:
    finish(make_job(tmp_path))
    other = Job(tmp_path, "adversarial_set", FLAGS, {"model": {"name": "x", "fingerprint": "1"}})
    with pytest.raises(InputError, match=r"\(another model \(fc10-1 there, x here\)\); repeat"):
        other.finished()


def test_another_kind_of_result_is_refused(tmp_path: Path) -> None:
    finish(make_job(tmp_path))
    with pytest.raises(InputError, match="holds a result of kind adversarial_set; expected evalu"):
        make_job(tmp_path, "evaluation").finished()


def test_an_interrupted_job_leaves_its_results_and_notes(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    with pytest.raises(KeyboardInterrupt), job.claim(["part-*"]):
        (tmp_path / "part-0").write_text("done")
        job.note({"seconds": {"0": 1.5}})
        raise KeyboardInterrupt
    with job.claim(["part-*"]) as notes:
        assert notes == {"seconds": {"0": 1.5}}
        assert (tmp_path / "part-0").read_text() == "done"
        finish(job)
    assert not (tmp_path / CLAIM).exists()


def test_the_time_of_all_runs_is_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 13.0, 100.0, 101.5])
    monkeypatch.setattr("tfblindspots.experiments.jobs.time.perf_counter", lambda: next(clock))
    job = make_job(tmp_path)
    with pytest.raises(KeyboardInterrupt), job.claim(["part-*"]) as notes:
        (tmp_path / "part-0").write_text("done")
        Stopwatch(job, notes).save()
        raise KeyboardInterrupt
    with job.claim(["part-*"]) as notes:
        assert Stopwatch(job, notes).seconds == 4.5
        finish(job)


def test_an_interrupted_job_of_other_settings_is_refused(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    with pytest.raises(KeyboardInterrupt), job.claim(["part-*"]):
        (tmp_path / "part-0").write_text("done")
        raise KeyboardInterrupt
    with (
        pytest.raises(InputError, match="--seed=0 there, 2 here"),
        make_job(tmp_path, seed=2).claim(["part-*"]),
    ):
        pytest.fail("the directory is another job's")
    with job.claim(["part-*"]):
        finish(job)


@pytest.mark.parametrize("existed", [True, False])
def test_a_failure_before_any_result_leaves_nothing(tmp_path: Path, existed: bool) -> None:
    directory = tmp_path / "out"
    if existed:
        directory.mkdir()
    with pytest.raises(InputError, match="NaN"), make_job(directory).claim():
        raise InputError("the model returns NaN")
    assert directory.exists() == existed
    assert not existed or not list(directory.iterdir())


def test_other_files_are_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with (
        pytest.raises(InputError, match=r"holds other files \(thesis.tex\); name a new or empty"),
        make_job(tmp_path).claim(["part-*"]),
    ):
        pytest.fail("the directory is not empty")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_parts_that_begin_together_agree_on_the_settings(tmp_path: Path) -> None:
    """Another process is about to claim the directory when this one has looked at it."""
    job, other = make_job(tmp_path), make_job(tmp_path, seed=1)
    code = (
        "import fcntl, sys\n"
        f"file = open({str(tmp_path / LOCK)!r}, 'ab')\n"
        "fcntl.lockf(file, fcntl.LOCK_EX, 1, 1 << 62)\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()

        def claimed() -> None:
            other.note({})
            process.kill()

        timer = threading.Timer(0.3, claimed)
        timer.start()
        with (
            pytest.raises(InputError, match="--seed=1 there, 0 here"),
            job.claim(["part-*"], shards=range(3, 4)),
        ):
            pytest.fail("the directory is another job's")
        timer.join()
    assert read_json(tmp_path / CLAIM)["flags"]["seed"] == 1
