"""What is written counts wherever it lies."""

import pytest
from one_notebook import run_cells

WRITE = "open('d', 'wb').write(bytes(19_000_000))"
MAP = """
import ctypes, os
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
def keep(flags):
    fd = os.open("d", os.O_RDWR | os.O_CREAT)
    os.write(fd, bytes(19_000_000))
    assert libc.mmap(None, 4096, 1, flags, fd, 0) > 0
    os.close(fd)
"""
WAIT = "\nimport time\ntime.sleep(2)"


@pytest.mark.parametrize(
    "cell",
    [
        MAP + "for _ in range(9):\n    keep(1)\n    os.unlink('d')",
        MAP + "for _ in range(9):\n    keep(2)\n    os.unlink('d')",  # a private mapping keeps the file as well
        MAP + "for n in range(9):\n    keep(1)\n    open('e', 'w').close()\n    os.replace('e', 'd')",
        MAP + "for n in range(9):\n    os.mkdir('f')\n    os.chdir('f')\n    keep(1)\n    os.unlink('d')\n"
        "    os.chdir('..')\n    os.rmdir('f')",
        f"import os\nkept = []\nfor _ in range(9):\n    {WRITE}\n    kept.append(open('d'))\n    os.unlink('d')",
        "import tempfile\nkept = [tempfile.TemporaryFile() for _ in range(9)]\n"
        "for one in kept:\n    one.write(bytes(19_000_000))\n    one.flush()",
        "for n in range(9):\n    with open(f'd{n}', 'wb') as one: one.truncate(19_000_000)",
        "import ctypes, threading, time\nthreading.Thread(target=time.sleep, args=(9,)).start()\n"
        "ctypes.CDLL(None).syscall(ctypes.c_long(60), 0)",  # the first thread ends; nobody sees what the rest has open
    ],
)
def test_too_much_is_too_much(cell, tmp_path):
    (outputs,) = run_cells([cell + WAIT], tmp_path, seconds=20)
    assert outputs[-1]["ename"] == "ProcessDied"
    assert "gave or kept too much" in outputs[-1]["evalue"]


@pytest.mark.parametrize(
    "cell",
    [
        "import tempfile\nfor _ in range(9):\n    with tempfile.TemporaryFile() as one: one.write(bytes(19_000_000))",
        "import mmap\nkept = [mmap.mmap(-1, 4096) for _ in range(99)]",  # no file
        "import numpy, os\nkept = []\nfor _ in range(20):\n    kept.append(numpy.memmap('m', mode='w+', shape=1000))\n"
        "    os.unlink('m')",
        "import torch\nfor _ in range(20): torch.save(torch.ones(1_000_000), 'checkpoint.pt')",
    ],
)
def test_honest_files_are_not_too_many(cell, tmp_path):
    ((shown,),) = run_cells([f"{cell}{WAIT}\n7"], tmp_path, seconds=20)
    assert shown["data"]["text/plain"] == "7"
