"VoiceBank-DEMAND: what a notebook cannot hold. Killed while it converts, and archives spoiled at random."
import io, os, random, signal, subprocess, sys, time, zipfile
from pathlib import Path
import numpy as np, pytest, soundfile as sf
from weakse.corpora.archives import safe_entries
from weakse.corpora.corpus import CorpusError
from weakse.corpora.voicebank import fetch_voicebank

names = [f'p{s}_{i:03}' for s in (232, 257) for i in range(30)]


def packed(half, seed, n):
    "An archive of `n` noises of half a second at 48 kHz."
    rng, buffer = np.random.default_rng(seed), io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED) as z:
        for name in names[:n]:
            wav = io.BytesIO()
            sf.write(wav, .1*rng.standard_normal(24000), 48000, format='WAV', subtype='PCM_16')
            z.writestr(f'{half}_testset_wav/{name}.wav', wav.getvalue())
    return buffer.getvalue()


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp('archives')
    for seed, half in enumerate(('clean', 'noisy')):
        (folder/f'{half}_testset_wav.zip').write_bytes(packed(half, seed, 60))
    return folder


def content(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


@pytest.mark.scale
def test_killed_and_resumed(source, tmp_path):
    code = f"""
import time, weakse.corpora.voicebank as v
load = v._load
def slow(*args): time.sleep(.02); return load(*args)
v._load = slow
v.fetch_voicebank({str(tmp_path/'killed')!r}, source={str(source)!r}, n_files=60, n_workers=1, progress=False)"""
    run = subprocess.Popen([sys.executable, '-c', code], start_new_session=True)
    ready, end = lambda: list((tmp_path/'killed.part').glob('*/p*.wav')), time.time()+120
    while len(ready()) < 20 and time.time() < end:
        time.sleep(.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    there = {p: p.stat().st_mtime_ns for p in ready()}
    assert 20 <= len(there) < 120 and not (tmp_path/'killed').exists()
    for p in there:
        assert sf.info(p).frames == 8000                     # whole, or not there at all
    resumed = fetch_voicebank(tmp_path/'killed', source=source, n_files=60, progress=False)
    whole = fetch_voicebank(tmp_path/'whole', source=source, n_files=60, n_workers=1, progress=False)
    assert content(resumed) == content(whole)
    pairs = [
        p for p in there
        if (p.parents[1] / ('noisy' if p.parent.name == 'clean' else 'clean') / p.name) in there]
    for p in pairs:
        assert (resumed/p.parent.name/p.name).stat().st_mtime_ns == there[p]


def test_spoiled_archives_write_nothing_outside(source, tmp_path):
    good, rng = (source/'noisy_testset_wav.zip').read_bytes(), random.Random(0)
    inside = tmp_path/'inside'
    inside.mkdir()
    for trial in range(60):
        data = bytearray(good[:rng.randrange(len(good))] if trial % 3 == 0 else good)
        for _ in range(trial % 5):
            # the directory is at the end
            data[-rng.randrange(1, min(6000, len(data)))] ^= 1 << rng.randrange(8)
        (inside/'spoiled.zip').write_bytes(data)
        try:
            found = safe_entries(inside/'spoiled.zip')
        except CorpusError as e:
            assert 'spoiled.zip' in str(e)
        else:
            assert all('..' not in Path(n).parts and not n.startswith('/') for n in found)
    assert [p.name for p in tmp_path.iterdir()] == ['inside']
    assert [p.name for p in inside.iterdir()] == ['spoiled.zip']


def test_flipped_sound_is_found_by_its_crc(source, tmp_path):
    for half in ('clean', 'noisy'):
        (tmp_path/f'{half}_testset_wav.zip').write_bytes((source/f'{half}_testset_wav.zip').read_bytes())
    data = bytearray((tmp_path/'noisy_testset_wav.zip').read_bytes())
    for at in range(5000, len(data)//2, 40000):
        data[at] ^= 4
    (tmp_path/'noisy_testset_wav.zip').write_bytes(data)
    with pytest.raises(CorpusError, match='noisy_testset_wav.zip: noisy_testset_wav/p232_0.* is damaged'):
        fetch_voicebank(tmp_path/'out', source=tmp_path, n_files=60, progress=False)
    assert not (tmp_path/'out').exists()
