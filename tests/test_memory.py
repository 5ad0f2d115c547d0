"""Memory is bounded in numbers, not in seconds: a recording of many channels and a high rate takes no more
than an ordinary one."""
import subprocess, sys
import numpy as np, pytest, soundfile as sf, torch
from weakse.core.resampling import resample, resample_pieces
from doubles import band_system
from pathlib import Path
from weakse.inference import planning, running
from weakse.inference.enhance import enhance

@pytest.mark.parametrize('rates', [(44100, 16000), (16000, 44100), (655350, 16000), (16000, 16000)])
def test_pieces_are_resampled_as_one(rates):
    wav = torch.randn(2, 200001, generator=torch.Generator().manual_seed(0))
    whole = resample(wav, *rates)
    assert torch.cat(list(resample_pieces(wav.split(3001, -1), *rates)), -1)[:, :whole.shape[-1]].equal(whole)

@pytest.mark.parametrize('rate', [16000, 44100])
def test_the_bound_moves_nothing(tmp_path, monkeypatch, rate):
    wav = .1*torch.randn(2, 6*rate, generator=torch.Generator().manual_seed(0))
    def run():
        return enhance(wav, rate, band_system(), target='Speech', block=2, context=.5)
    once = run()
    for module in (running, planning):
        monkeypatch.setattr(module, 'MAX_NUMBERS', 40000)
    assert run().equal(once)

code = f"import sys; sys.path.append({str(Path(__file__).parent)!r})" + """
import torch
from bench_rows import peak_mib
from doubles import band_system, BandDetector
from weakse.inference.detecting import detect_file
from weakse.inference.extract_files import extract_file
torch.set_num_threads(1)
system = band_system()
system.block = 5.
def run(name, suffix):
    detect_file(f'{name}{suffix}', BandDetector())
    extract_file(f'{name}{suffix}', f'k{suffix}', f'r{suffix}', keep='Speech', system=system, detector=None)
    return peak_mib()
small = run('small', '.wav')
print(run('big', '.flac')-small)"""

@pytest.mark.skipif(sys.platform != 'linux', reason="reads the peak memory as Linux reports it")
def test_many_channels_at_a_high_rate_fit_in_memory(tmp_path):
    sf.write(tmp_path/'small.wav', .1*np.random.default_rng(0).standard_normal(16000), 16000)
    part = (.1*np.random.default_rng(0).standard_normal((655350, 8))).astype('f4')
    with sf.SoundFile(
        tmp_path / 'big.flac', 'w', 655350, 8, 'PCM_16', format='FLAC', compression_level=0.0) as f:
        for _ in range(5):
            f.write(part)
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=tmp_path)
    assert not done.returncode, done.stderr
    grown = float(done.stdout)
    assert grown < 400, grown
