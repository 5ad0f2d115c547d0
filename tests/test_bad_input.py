"""Bad files and bad arrays: every row of the table is either read as it should be or refused with a message
that names the file, the value and the remedy."""
import errno, os, resource, struct, subprocess, sys, tempfile, warnings
from contextlib import contextmanager
from pathlib import Path
import numpy as np, pytest, soundfile as sf, torch
from weakse.core.audio import audio_info, load_audio, save_audio
from weakse.core.resampling import resample
from weakse.core.spectrogram import stft, istft
from weakse.core.waveform import (
    AudioError, AudioWarning, EmptyAudioError, LayoutError, MissingAudioError, NonFiniteAudioError,
    check_audio)
from weakse.core.files import atomic_path, write_json

RATE = 16000
def tone(rate=RATE, n=None, channels=1):
    "A 440-Hz tone, one level a channel, `(n, channels)` as soundfile has it."
    t = np.arange(rate//2 if n is None else n)/rate
    return .5*np.sin(2*np.pi*440*t)[:,None] * np.arange(1, channels+1)/channels

def write(path, x=None, rate=RATE, **kw):
    sf.write(path, tone(rate) if x is None else x, rate, **kw)
    return path

@contextmanager
def no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        yield

# -- files that cannot be used
# -------------------------------------------------------------------------------------------------------------------

def header_only(p):
    p.write_bytes(write(p).read_bytes()[:44])
def size_zero(p):
    write(p, np.zeros((0,1)))
def html(p):
    p.write_text('<!DOCTYPE html>\n<html><body>404</body></html>')
def html_bom(p):
    p.write_text('\ufeff \n<html>', encoding='utf-8')
def json_error(p):
    p.write_text('{"message": "Not Found"}')
def random_bytes(p):
    p.write_bytes(np.random.default_rng(0).bytes(5000))
def nan_inside(p):
    x = tone()
    x[123] = np.nan
    write(p, x, subtype='FLOAT')
def inf_inside(p):
    x = tone(channels=2)
    x[7,1] = -np.inf
    x[9] = np.inf
    write(p, x, subtype='FLOAT')
def cut_flac(p):
    write(q := p.with_suffix('.flac'))
    p.write_bytes(q.read_bytes()[:3000])

@pytest.mark.parametrize(
    'make,error,says',
    [
        (lambda p: None, MissingAudioError, 'does not exist; check the spelling'),
        (Path.mkdir, MissingAudioError, 'is a folder; expected a sound file'),
        (Path.touch, EmptyAudioError, 'is empty (0 bytes)'),
        (header_only, EmptyAudioError, 'has a header but no samples (its header says 8000)'),
        (size_zero, EmptyAudioError, 'has a header but no samples (its header says 0)'),
        (html, AudioError, 'is a web page, not audio (a failed download?)'),
        (html_bom, AudioError, 'is a web page, not audio'),
        (json_error, AudioError, 'is a web page, not audio'),
        (random_bytes, AudioError, 'cannot be decoded'),
        (cut_flac, AudioError, 'cannot be decoded'),
        (
            nan_inside, NonFiniteAudioError,
            '1 of 8000 samples are NaN or infinite, the first at sample 123 of channel 0'),
        (
            inf_inside, NonFiniteAudioError,
            '3 of 16000 samples are NaN or infinite, the first at sample 7 of channel 1'),
    ],
    ids='missing folder empty header_only size_zero html html_bom json random cut_flac nan inf'.split(),
)
def test_unusable_file(tmp_path, make, error, says):
    path = tmp_path/'störung 1.wav'
    make(path)
    with pytest.raises(error) as caught:
        load_audio(path)
    assert says in str(caught.value) and str(path) in str(caught.value)
    assert isinstance(caught.value, ValueError)

def test_missing_is_file_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_audio(tmp_path/'none.wav')
    with pytest.raises(MissingAudioError):
        audio_info(tmp_path/'none.wav')

@pytest.mark.parametrize(
    'kw,says',
    [
        (dict(start=1), 'at or after its end, 0.50 s'), (dict(start=-1), 'expected start >= 0'),
        (dict(seconds=0), 'seconds > 0'), (dict(start=float('nan')), 'expected start >= 0'),
        (dict(sample_rate=16), 'not kHz')],
)
def test_unusable_part(tmp_path, kw, says):
    with pytest.raises(AudioError, match=says):
        load_audio(write(tmp_path/'a.wav'), **kw)

# -- files that are cut short, or whose header lies
# ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize(
    'kw',
    [
        dict(subtype='PCM_16'), dict(subtype='PCM_24'), dict(subtype='FLOAT'), dict(subtype='PCM_U8'),
        dict(format='WAVEX')],
    ids=str,
)
def test_truncated_wav_warns(tmp_path, kw):
    path = write(tmp_path/'cut.wav', tone(channels=2), **kw)
    whole = load_audio(path)[0]
    path.write_bytes(path.read_bytes()[:path.stat().st_size//3])
    with pytest.warns(AudioWarning, match=r'cut.wav is cut short: \d+ of 8000 samples'):
        part,_ = load_audio(path)
    assert 2000<len(part)<8000/3+1 and torch.equal(part, whole[:len(part)])

def test_part_before_the_cut_is_fine(tmp_path):
    path = write(tmp_path/'cut.wav')
    path.write_bytes(path.read_bytes()[:path.stat().st_size//2])
    with no_warning():
        assert len(load_audio(path, seconds=.1)[0])==1600
    with pytest.warns(AudioWarning, match='cut short'):
        load_audio(path, start=.1)

@pytest.mark.parametrize('size', [0xFFFFFFFF, 0xFFFFFFFF-36])
def test_size_unknown_is_read_whole(tmp_path, size):
    "Programs that write into a pipe put the largest number where the size belongs."
    path = write(tmp_path/'pipe.wav')
    data = bytearray(path.read_bytes())
    data[40:44] = struct.pack('<I', size)
    path.write_bytes(data)
    with no_warning():
        assert len(load_audio(path)[0])==8000

def test_odd_chunk_before_the_data(tmp_path):
    path = write(tmp_path/'tagged.wav')
    data = path.read_bytes()
    path.write_bytes(data[:36] + b'junk' + struct.pack('<I', 3) + b'abc\0' + data[36:])
    with no_warning():
        assert len(load_audio(path)[0])==8000

# -- files that are unusual and fine
# -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('rate', [8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000])
@pytest.mark.parametrize('n', [1, 2, 160, 4801])
def test_any_rate_and_length(tmp_path, rate, n):
    path = write(tmp_path/'a.wav', tone(rate, n), rate)
    with no_warning():
        wav,r = load_audio(path)
        there,to = load_audio(path, RATE)
    assert (len(wav),r,len(there),to)==(n, rate, max(1, round(n*RATE/rate)), RATE)
    assert abs(len(resample(there, RATE, rate))-n)<=max(1, rate/RATE) and torch.isfinite(there).all()

@pytest.mark.parametrize(
    'subtype,error',
    [
        ('PCM_U8', 1 / 128), ('PCM_16', 2**-15), ('PCM_24', 2**-23), ('PCM_32', 1e-7), ('FLOAT', 1e-7),
        ('DOUBLE', 1e-7), ('ALAW', 0.02), ('ULAW', 0.02)],
)
def test_any_sample_width(tmp_path, subtype, error):
    wav,_ = load_audio(write(tmp_path/'a.wav', subtype=subtype))
    assert np.abs(wav.numpy()-tone()[:,0]).max()<=error

@pytest.mark.parametrize('channels', range(1, 9))
@pytest.mark.parametrize('n', [1, 1000])
def test_any_number_of_channels(tmp_path, channels, n):
    x = tone(n=n, channels=channels)
    path = write(tmp_path/'a.wav', x, subtype='FLOAT')
    assert np.allclose(load_audio(path, mono=False)[0], x.T, atol=1e-6)
    assert np.allclose(load_audio(path)[0], x.mean(1), atol=1e-6)
    assert load_audio(path, 22050, mono=False)[0].shape==(channels, round(n*22050/RATE))

@pytest.mark.parametrize(
    'name',
    [
        'größe.wav', '録音 1.wav', '🎙.wav', "Dental drill, dentist's drill.wav", 'a b;c&d.wav', 'x.WAV',
        '.hidden.wav', 'a' * 150 + '.wav'],
)
def test_any_name(tmp_path, name):
    path = save_audio(tmp_path/'örtlich 音'/name, tone()[:,0], RATE)
    assert path.is_file() and len(load_audio(path)[0])==8000
    assert len(load_audio(str(path))[0])==8000 and [p.name for p in path.parent.iterdir()]==[name]

def test_suffix_is_not_trusted(tmp_path):
    "An MP3 that is called .wav is read as what it is."
    write(path := tmp_path/'really.mp3')
    path.rename(tmp_path/'a.wav')
    assert audio_info(tmp_path/'a.wav').format=='MP3' and len(load_audio(tmp_path/'a.wav')[0])==8000

def test_silence_stays_silence(tmp_path):
    save_audio(tmp_path/'a.wav', torch.zeros(1000), RATE)
    wav,_ = load_audio(tmp_path/'a.wav', 44100)
    assert (wav==0).all() and (istft(stft(wav), length=len(wav))==0).all()

# -- arrays
# --------------------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(
    'wav,error,says',
    [
        (np.zeros((48000, 2)), LayoutError, 'means 48000 channels of 2 samples'),
        (torch.zeros(65, 1000), LayoutError, 'at most 64 channels'),
        (torch.zeros(2, 1, 100), LayoutError, '3 axes (2, 1, 100)'),
        (torch.tensor(0.5), LayoutError, '0 axes ()'),
        (np.zeros(0), EmptyAudioError, 'no samples, shape (0,)'),
        (torch.zeros(2, 0), EmptyAudioError, 'no samples, shape (2, 0)'),
        (
            [0.0, float('nan')], NonFiniteAudioError,
            '1 of 2 samples are NaN or infinite, the first at sample 1 of channel 0'),
        (torch.full((3, 10), float('inf')), NonFiniteAudioError, '30 of 30 samples'),
        (torch.zeros(9, dtype=torch.int64), AudioError, 'torch.int64; expected floats'),
        (torch.zeros(9, dtype=torch.cfloat), AudioError, 'torch.complex64; expected floats'),
        (torch.zeros(9, dtype=torch.bool), AudioError, 'torch.bool; expected floats'),
        (None, AudioError, 'NoneType cannot be read as samples'),
        ('a.wav', AudioError, 'str cannot be read as samples'),
        ([[1.0], [1.0, 2.0]], AudioError, 'list cannot be read as samples'),
    ],
    ids=str,
)
def test_unusable_array(wav, error, says):
    with pytest.raises(error) as caught:
        check_audio(wav, name='clip 7')
    assert says in str(caught.value) and str(caught.value).startswith('clip 7: ')

@pytest.mark.parametrize(
    'wav',
    [
        [0.5], np.float64([0.1, 0.2]), torch.zeros(8, 8), torch.zeros(64, 100), np.zeros(100)[::-2],
        np.zeros((100, 2)).T, np.float16([0.5])],
    ids=lambda w: str(type(w)),
)
def test_usable_array(wav):
    x = check_audio(wav, RATE)
    assert x.ndim==2 and x.dtype==torch.float32 and x.numel()==np.asarray(wav).size

def test_read_only_and_big_endian_arrays():
    x = np.linspace(-.5, .5, 10)
    x.flags.writeable = False
    assert np.allclose(check_audio(x), x)
    assert np.allclose(check_audio(x.astype('>f4')), x)

@pytest.mark.parametrize(
    'rate', [0, -1, 16, 44.1, 16000.5, 2_000_000, float('nan'), float('inf'), '16000', None, True, [16000]])
def test_unusable_rate(tmp_path, rate):
    with pytest.raises(AudioError, match='expected a whole number of Hz'):
        save_audio(tmp_path/'a.wav', torch.zeros(10), rate)
    assert not list(tmp_path.iterdir())

# -- writing
# -------------------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('suffix,subtype', [('.wav','PCM_16'), ('.wav','PCM_24'), ('.flac','PCM_16')])
def test_over_full_scale_is_clipped_and_counted(tmp_path, suffix, subtype):
    wav = torch.tensor([0., 1.5, -1.5, .5, 1.])
    with pytest.warns(AudioWarning, match=r'2 of 5 samples are over full scale \(peak 1.50\)'):
        path = save_audio(tmp_path/f'a{suffix}', wav, RATE, subtype)
    assert torch.allclose(load_audio(path)[0], wav.clamp(-1,1), atol=2**-14)
    with no_warning():
        assert torch.equal(load_audio(save_audio(tmp_path/'f.wav', wav, RATE, 'FLOAT'))[0], wav)

@pytest.mark.parametrize(
    'name,kw,says',
    [
        ('a.txt', {}, 'expected .wav, .flac, .ogg or .mp3'), ('a', {}, "suffix ''"),
        ('a.flac', dict(subtype='FLOAT'), "FLAC cannot hold 'FLOAT'"),
        ('a.wav', dict(subtype='pcm16'), "WAV cannot hold 'pcm16'")],
)
def test_unusable_format(tmp_path, name, kw, says):
    with pytest.raises(AudioError, match=says):
        save_audio(tmp_path/name, torch.zeros(10), RATE, **kw)
    assert not list(tmp_path.iterdir())

def test_not_finite_is_never_written(tmp_path):
    save_audio(tmp_path/'a.wav', torch.zeros(10), RATE)
    with pytest.raises(NonFiniteAudioError, match='a.wav: 1 of 10'):
        save_audio(tmp_path/'a.wav', torch.tensor([0.]*9+[float('nan')]), RATE)
    assert len(load_audio(tmp_path/'a.wav')[0])==10

@contextmanager
def ordinary_user():
    "Root may write anywhere: become nobody for a moment."
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)

@pytest.mark.skipif(sys.platform == 'win32', reason='permissions of POSIX')
@pytest.mark.parametrize('mode', [0o500, 0o555])
@pytest.mark.parametrize(
    'write_it',
    [lambda p: save_audio(p.with_suffix('.wav'), torch.zeros(10), RATE), lambda p: write_json(p, {})],
    ids=['save_audio', 'write_json'])
def test_locked_folder(mode, write_it):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        locked = Path(folder)/'locked'
        locked.mkdir()
        os.chmod(locked, mode)
        with ordinary_user(), pytest.raises(PermissionError) as caught:
            write_it(locked/'a.json')
        os.chmod(locked, 0o700)
        assert not list(locked.iterdir())
    assert 'no permission to write there: choose another folder' in str(caught.value) and str(locked) in str(
        caught.value)

def test_folder_is_a_file(tmp_path):
    (tmp_path/'out').write_text('')
    with pytest.raises(OSError, match='one of its parents is a file'):
        save_audio(tmp_path/'out'/'sub'/'a.wav', torch.zeros(10), RATE)

@pytest.mark.parametrize('code', [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_message(tmp_path, code):
    with pytest.raises(OSError, match='the disk is full') as caught:
        with atomic_path(tmp_path/'a.bin') as tmp:
            tmp.write_bytes(b'x')
            raise OSError(code, os.strerror(code))
    assert caught.value.errno==code and str(tmp_path) in str(caught.value) and not list(tmp_path.iterdir())

def test_real_size_limit(tmp_path):
    "The system refuses in the middle of a write: the old file stays, nothing else is left."
    save_audio(tmp_path/'a.wav', torch.zeros(10), RATE)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError, match='the disk is full'):
            save_audio(tmp_path/'a.wav', torch.zeros(50_000), RATE, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [p.name for p in tmp_path.iterdir()]==['a.wav'] and len(load_audio(tmp_path/'a.wav')[0])==10

def test_importing_does_nothing(tmp_path):
    "No file is opened for writing, no socket, by importing the ground modules; heavy packages stay out."
    code = (
        "import sys\nbad = []\n" "def hook(event, args):\n"
        "    if event=='socket.connect' or (event=='open' and isinstance(args[1], str) and "
        "set(args[1])&set('wax+')): bad.append((event, args))\n"
        "sys.dont_write_bytecode = True\nimport torch, numpy\nsys.addaudithook(hook)\n"
        "import weakse.core.files, weakse.core.audio, weakse.core.labels, weakse.core.parallel, "
        "weakse.core.fetch\n"
        "assert not bad, bad\n"
        "loaded = {'soundfile','soxr','torchaudio','matplotlib','IPython','ray','pandas'} & "
        "set(sys.modules)\nassert not loaded, loaded")
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=dict(
            os.environ, PYTHONPATH=os.pathsep.join(map(str, sys.path[:1] + [Path(__file__).parents[1]]))),
    )
    assert done.returncode==0, done.stderr
