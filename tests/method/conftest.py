from pathlib import Path

import pytest

from simpo_core.language_models.fetch import fetch_smollm2


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory) -> Path:
    """The folder of SmolLM2-135M-Instruct; if it isn't there, one of the test processes fetches it for all."""
    from filelock import FileLock

    with FileLock(tmp_path_factory.getbasetemp().parent / "smollm2.lock"):
        return fetch_smollm2()
