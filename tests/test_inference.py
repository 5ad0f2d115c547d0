"""What a notebook cannot hold about enhancement: random inputs in number, memory over long files, locked
folders, full disks."""
import os, random, resource, subprocess, sys
from pathlib import Path

import numpy as np, pytest, soundfile as sf, torch

from weakse.core.waveform import AudioError
from weakse.core.audio import audio_info, load_audio, save_audio
from weakse.inference.blocks import overlap_add
from weakse.inference.enhance import enhance, enhance_file, enhance_files
from weakse.core.labels import Vocabulary
from weakse.models.unet import ConditionalUNet
from weakse.models.registry import load_system, save_system
from weakse.models.system import System

names = Vocabulary(["Speech", "Dog", "Rain"])
passing = System("passing", lambda wav, cond, clean, rate: wav, any_rate=True, block=0.1)

@pytest.fixture(scope='module')
def untrained(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp('unet')
    return load_system(
        save_system(ConditionalUNet(n_cond=3, width=1 / 32), folder, sample_rate=16000, vocabulary=names))

def test_random_blocks_add_up_to_the_input():
    draw = random.Random(0)
    for _ in range(300):
        block = draw.randint(1, 200)
        overlap = draw.randint(0, block//2)
        n = draw.randint(1, 4*block)
        wav = torch.randn(draw.randint(1, 3), n)
        out = overlap_add(lambda x: x, wav, block, overlap, context=draw.randint(0, 50))
        assert out.shape == wav.shape and (out - wav).abs().max() < 1e-6 * max(1, wav.abs().max()), (
            block, overlap, n)

def test_random_recordings_keep_shape_and_stay_finite(untrained):
    draw = random.Random(1)
    for _ in range(25):
        rate = draw.choice([8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000])
        channels = draw.randint(1, 8)
        n = max(channels, draw.choice([1, 2, 7, 100, 1000, rate//2, rate]))
        wav = np.random.default_rng(n).standard_normal((channels, n), dtype=np.float32) * 10 ** draw.uniform(
            -6, 0)
        out = enhance(wav, rate, untrained)
        assert out.shape == wav.shape and out.dtype == np.float32 and np.isfinite(out).all()

def test_blocks_do_not_change_what_a_local_system_says():
    "A filter of short memory gives the same in blocks as over the whole recording."
    taps = torch.hann_window(65)[None, None]/32
    smooth = lambda wav, *_: torch.nn.functional.conv1d(wav[:, None], taps, padding=32)[:, 0]
    wav = torch.randn(2, 16001)
    whole, blocks = (enhance(wav, 16000, System("smooth", smooth, block=s)) for s in (None, 0.1))
    assert (whole-blocks).abs().max() < 1e-5

def test_one_sample_of_every_kind(tmp_path, untrained):
    for channels in (1, 2):
        sf.write(tmp_path/'one.wav', np.full((1, channels), 0.5, np.float32), 48000, subtype='FLOAT')
        enhance_file(tmp_path/'one.wav', tmp_path/'out.wav', untrained, overwrite=True)
        assert audio_info(tmp_path/'out.wav') == audio_info(tmp_path/'one.wav')

def _bad_files(folder):
    "Files that cannot be enhanced, and a word of the reason the report must give."
    noise = 0.1*np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    (folder/'empty.wav').touch()
    (folder/'page.wav').write_text("<!DOCTYPE html><html>sorry</html>")
    sf.write(folder/'header.wav', noise[:0], 16000)
    noise[5] = np.nan
    sf.write(folder/'nan.wav', noise, 16000, subtype='FLOAT')
    noise[5] = np.inf
    sf.write(folder/'inf.wav', noise, 16000, subtype='FLOAT')
    return {
        'empty.wav': 'empty', 'page.wav': 'web page', 'header.wav': 'no samples', 'nan.wav': 'NaN',
        'inf.wav': 'infinite', 'missing.wav': 'does not exist'}

def test_bad_files_are_rows_and_good_ones_go_on(tmp_path, untrained):
    reasons = _bad_files(tmp_path)
    good = save_audio(tmp_path/'ünï ✓.wav', 0.1*torch.randn(20000), 16000)
    report = enhance_files([tmp_path/n for n in reasons] + [good], tmp_path/'out', untrained, progress=False)
    assert report.status.tolist() == ['failed']*len(reasons) + ['ok']
    for row, (name, reason) in zip(report.itertuples(), reasons.items()):
        assert reason in row.message and name in row.message
    assert [p.name for p in (tmp_path/'out').iterdir()] == [good.name]

def test_a_file_cut_short_is_used_and_reported(tmp_path, untrained):
    whole = save_audio(tmp_path/'whole.wav', 0.1*torch.randn(16000), 16000).read_bytes()
    (tmp_path/'cut.wav').write_bytes(whole[:len(whole)//3])
    row = enhance_file(tmp_path/'cut.wav', tmp_path/'out.wav', untrained)
    assert (
        'cut short' in row['message']
        and audio_info(tmp_path / 'out.wav').frames == audio_info(tmp_path / 'cut.wav').frames)

def test_clipping_is_counted_and_float_is_kept(tmp_path):
    loud = torch.zeros(16000)
    loud[100:110] = 1.5
    save_audio(tmp_path/'loud.wav', loud, 16000, subtype='FLOAT')
    twice = System("passing", lambda wav, *_: wav, block=1.0)
    assert 'clipped' not in enhance_file(tmp_path/'loud.wav', tmp_path/'out.wav', twice)['message']
    assert load_audio(tmp_path/'out.wav')[0].max() > 1.4
    assert (
        '10 samples over full scale were clipped'
        in enhance_file(tmp_path / 'loud.wav', tmp_path / 'out.flac', twice)['message'])

def test_unwritable_folder_is_noticed_before_computing(tmp_path):
    calls = []
    system = System("counting", lambda wav, *_: (calls.append(1), wav)[1], block=1.0)
    source = save_audio(tmp_path/'a.wav', torch.randn(100)/9, 16000)
    for folder in (source/'out', Path('/proc/nowhere/out')):
        if folder.parts[1] == 'proc' and not Path('/proc').is_dir(): continue
        with pytest.raises(OSError, match='cannot write|No such file|permission'):
            enhance_files(source, folder, system, progress=False)
    assert not calls

@pytest.mark.skipif(
    os.name != 'posix' or os.geteuid() == 0, reason="permissions do not bind the administrator")
def test_locked_folder_names_itself_and_the_remedy(tmp_path):
    source, locked = save_audio(tmp_path/'a.wav', torch.randn(100)/9, 16000), tmp_path/'locked'
    locked.mkdir(mode=0o555)
    with pytest.raises(OSError, match='locked.*choose another folder'):
        enhance_files(source, locked, passing, progress=False)

def test_a_full_disk_leaves_nothing_behind(tmp_path):
    "A limit on the size of files stands in for a full disk; it binds a child process alone."
    source = save_audio(tmp_path/'a.wav', 0.1*torch.randn(400000), 16000)
    code = f"""
import resource, signal
from weakse.inference.enhance import enhance_files
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
print(enhance_files({str(source)!r}, {str(tmp_path/'out')!r}, 'noisy', progress=False).message[0])"""
    said = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True,
        env=dict(os.environ, OMP_NUM_THREADS='1')).stdout
    assert 'disk' in said and not list((tmp_path/'out').iterdir())

def test_results_of_an_earlier_run_are_not_inputs(tmp_path):
    save_audio(tmp_path/'a.wav', torch.randn(100)/9, 16000)
    for _ in range(2):
        assert len(enhance_files(tmp_path, tmp_path/'enhanced', passing, overwrite=True, progress=False)) == 1

@pytest.mark.skipif(sys.platform != 'linux', reason="reads the peak memory as Linux reports it")
def test_memory_does_not_grow_with_length(tmp_path):
    """Five minutes of stereo take no more memory than one, but for what an allocator keeps; as arrays, input and
    output alone would take 123 MB more."""
    code = f"import sys; sys.path.append({str(Path(__file__).parent)!r})" + """
import sys, numpy as np, soundfile as sf, torch
from weakse.inference.enhance import enhance_file
from weakse.models.system import System
from bench_rows import peak_mib
torch.set_num_threads(1)
local = System("half", lambda wav, *_: wav/2, block=4.0)
noise = 0.1*np.random.default_rng(0).standard_normal((32000*60, 2)).astype(np.float32)
peaks = []
for minutes in (1, 5):
    with sf.SoundFile('long.wav', 'w', 32000, 2, 'PCM_16') as f:
        for _ in range(minutes): f.write(noise)
    enhance_file('long.wav', 'out.wav', local, overwrite=True)
    peaks.append(peak_mib())
print(peaks[1]-peaks[0])"""
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert float(done.stdout) < 25, f"{done.stdout.strip()} MB more for 5 minutes than for 1"
