import platform

import pytest
import torch

from simpo_core import devices


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H200", 989e12),
        ("NVIDIA A100-SXM4-40GB", 312e12),
        ("NVIDIA A100 80GB PCIe", 312e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA GeForce RTX 4090", 165e12),
        # what does less than its namesake, or is another card
        ("NVIDIA H100 PCIe", None),
        ("NVIDIA H100 NVL", None),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA L40", None),
        ("NVIDIA RTX A1000", None),
        ("Tesla T4", None),
    ],
)
def test_a_cards_speed_is_that_of_its_own_data_sheet(monkeypatch, name, peak):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    assert devices.peak_flops(torch.device("cuda")) == peak


def test_a_gpu_that_only_emulates_bfloat16_is_not_quick_at_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for quick in (True, False):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, quick=quick: quick)
        assert devices.has_bfloat16("cuda") is devices.has_bfloat16("auto") is quick


@pytest.mark.parametrize(("bf16", "amx", "quick"), [(False, False, False), (True, False, True), (False, True, True)])
def test_a_cpu_without_instructions_for_bfloat16_is_not_quick_at_it(monkeypatch, bf16, amx, quick):
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert devices.has_bfloat16("cpu") is quick


def test_a_process_meets_the_others_and_parts_from_them(monkeypatch):
    store = torch.distributed.TCPStore("127.0.0.1", 0, 1, is_master=True, wait_for_workers=False)
    told = {"RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": store.port}
    for name, value in {**told, "TORCHELASTIC_RUN_ID": "x", "TORCHELASTIC_USE_AGENT_STORE": "True"}.items():
        monkeypatch.setenv(name, str(value))
    devices.join_processes(torch.device("cpu"))
    assert torch.distributed.is_initialized()
    ended = []
    monkeypatch.setattr(devices.os, "_exit", ended.append)
    devices.part(143)
    assert not torch.distributed.is_initialized()
    assert ended == [143]
    devices.part(0)  # from nobody
    assert ended == [143]
