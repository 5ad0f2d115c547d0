"""The table of bad and unusual inputs, through every door of the library, and inputs drawn at random: what comes back has the shape of what went in and adds up to it,
or an error of ours says why not. The last test prints how many inputs were tried."""
import errno, os, struct, warnings
from collections import Counter
from pathlib import Path
import numpy as np, pytest, soundfile as sf, torch
from hypothesis import HealthCheck, given, settings, strategies as st
from weakse.core.audio import audio_info
from weakse.core.waveform import (
    AudioError, AudioWarning, EmptyAudioError, LayoutError, NonFiniteAudioError, check_audio)
from weakse.detectors.protocol import detect
from doubles import BANDS, band_system, BandDetector
from weakse.inference.detecting import detect_file
from weakse.inference.extract import extract
from weakse.inference.extract_files import extract_file, extract_files
from weakse.inference.enhance import enhance, enhance_file, enhance_files
from weakse.inference.files import OutputCollisionError
from weakse.inference.sequence import NotDetectedError
from weakse.core.labels import UnknownClassError, Vocabulary
from weakse.inference.mixer import Mixer
from weakse.models.selective import SelectiveNet
from weakse.models.unet import ConditionalUNet
from weakse.models.registry import load_system, save_system

TRIED = Counter()
NAMES = Vocabulary(list(BANDS))
RATES = [8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000]

@pytest.fixture(scope='module')
def systems(tmp_path_factory):
    "The system by hand, a U-Net and a selective one with random weights, and two filters."
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp('systems')
    unet = save_system(
        ConditionalUNet(n_cond=3, width=1 / 32, depth=3), folder / 'unet', sample_rate=16000,
        vocabulary=NAMES, config=dict(block=1.0))
    selective = save_system(
        SelectiveNet(n_classes=3, sample_rate=16000, n_embed=8, width=1 / 32, depth=3, channels=[4] * 5),
        folder / 'selective', sample_rate=16000, vocabulary=NAMES, bank=torch.eye(3, 8),
        config=dict(block=1.0))
    return dict(
        bands=band_system(), unet=load_system(unet), selective=load_system(selective),
        wiener=load_system('wiener'), highpass=load_system('highpass'))

def tones(n=8000, rate=16000, channels=1, level=.3):
    "A tone for every class, `(n, channels)` as soundfile has it."
    t = np.arange(n)/rate
    return (
        level / 3 * sum(np.sin(2 * np.pi * f * t) for f in (120, 600, 3000))[:, None]
        * (1 - np.arange(channels) / (2 * channels)))

def adds_up(parts, wav):
    "Kept and removed add up to the input as float32 holds it, without rounding, and are finite."
    kept,removed = (np.asarray(p) for p in parts)
    x = check_audio(wav).reshape(np.shape(wav)).double().numpy()
    return (
        kept.shape == removed.shape == x.shape and np.isfinite(kept).all() and np.isfinite(removed).all()
        and bool((kept + removed == x).all()))

# -- arrays: rows of the table
# -------------------------------------------------------------------------------------------------------------------

DOORS = dict(
    enhance=lambda x, rate, s: enhance(x, rate, s),
    extract=lambda x, rate, s: extract(x, rate, keep="Speech", system=s, detector=None),
    asked=lambda x, rate, s: extract(x, rate, drop="Speech", system=s, detector=BandDetector()),
    mixer=lambda x, rate, s: Mixer(x, rate, s, None, ["Speech"], progress=False),
    heard=lambda x, rate, s: Mixer(x, rate, s, BandDetector(), progress=False),
    detect=lambda x, rate, s: detect(x, rate, BandDetector()))

@pytest.mark.parametrize('door', DOORS)
@pytest.mark.parametrize(
    'x,rate,error,says',
    [
        (np.zeros((48000, 2)), 16000, LayoutError, 'did you transpose'),
        (np.zeros((65, 1000)), 16000, LayoutError, 'at most 64 channels'),
        (np.zeros((2, 1, 100)), 16000, LayoutError, '3 axes'),
        (np.zeros(0), 16000, EmptyAudioError, 'no samples'),
        (np.zeros((2, 0)), 16000, EmptyAudioError, 'no samples'),
        (np.where(np.arange(900) == 7, np.nan, 0.1), 16000, NonFiniteAudioError, 'the first at sample 7'),
        (np.where(np.arange(900) > 890, -np.inf, 0.1), 16000, NonFiniteAudioError, '9 of 900'),
        (np.zeros(900, np.int64), 16000, AudioError, 'int64'),
        (np.zeros(900, complex), 16000, AudioError, 'complex'),
        (np.zeros(900, bool), 16000, AudioError, 'bool'),
        (np.full(900, 1e300), 16000, NonFiniteAudioError, 'infinite'),
        (np.array(['a']), 16000, AudioError, 'cannot be read as samples'),
        ('talk.wav', 16000, AudioError, 'cannot be read as samples'),
        (None, 16000, AudioError, 'cannot be read as samples'), (np.zeros(900), 16, AudioError, 'not kHz'),
        (np.zeros(900), 0.5, AudioError, 'whole number of Hz'),
        (np.zeros(900), None, AudioError, 'sample rate'), (np.zeros(900), '16000', AudioError, 'sample rate'),
    ],
    ids='transposed 65_channels 3_axes empty empty_stereo nan inf int64 complex bool 1e300 text path none '
        'kHz half no_rate text_rate'.split(),
)
def test_an_unusable_array_is_refused_at_every_door(systems, door, x, rate, error, says):
    TRIED['arrays refused'] += 1
    with pytest.raises(error, match=says):
        DOORS[door](x, rate, systems['bands'])

@pytest.mark.parametrize('name', ['bands', 'unet', 'selective', 'wiener', 'highpass'])
@pytest.mark.parametrize(
    'make',
    [
        lambda: np.zeros(16000),  # silence
        lambda: np.zeros((2, 16000), np.float32),
        lambda: np.full(16000, 0.5),  # nothing but an offset
        lambda: np.r_[np.zeros(8000), tones()[:, 0]],  # half silence
        lambda: np.stack([tones()[:, 0], np.zeros(8000)]),
        lambda: tones(level=9.0)[:, 0],  # far over full scale
        lambda: tones(level=1e-6)[:, 0],
        lambda: np.sign(tones())[:, 0],  # clipped all over
        lambda: np.full(300, 1e-38),  # as small as float32 goes
        lambda: np.eye(1, 4000)[0],  # one click
        lambda: np.array([0.5]),  # one sample
        lambda: np.array([0.5, -0.5]),
        lambda: tones(257)[:, 0],
        lambda: tones(15999)[:, 0],
        lambda: tones(16001)[:, 0],
        lambda: (tones() * 2**15).astype(np.int16).T,
        lambda: (tones() * 2**31).astype(np.int32).T,
        lambda: (tones() * 127 + 128).astype(np.uint8).T,
        lambda: tones().astype(np.float16)[:, 0],
        lambda: tones().astype('>f4')[:, 0],
        lambda: tones()[::-2, 0],
        lambda: tones(channels=6).T,
        lambda: tones(100, channels=64).T,
    ],
    ids='zeros zeros_stereo offset half_silent one_channel_silent loud whisper clipped tiny click one two '
        'n257 n15999 n16001 int16 int32 uint8 float16 big_endian reversed 5.1 64'.split(),
)
def test_an_unusual_array_adds_up(systems, name, make):
    wav = make()
    TRIED['arrays used'] += 1
    assert adds_up(extract(wav, 16000, keep="Speech", system=systems[name], detector=None), wav)
    out = enhance(wav, 16000, systems[name])
    assert out.shape==wav.shape and np.isfinite(out).all()
    if not np.any(np.asarray(check_audio(wav))):
        assert not out.any()

@pytest.mark.parametrize('rate', RATES)
def test_any_rate_comes_back_in_length(systems, rate):
    for n in (1, rate//7, rate+1, 2*rate+1):
        wav = tones(n, rate, min(2, n)).T
        TRIED['rates and lengths'] += 1
        assert adds_up(extract(wav, rate, drop="Hum", system=systems['unet'], detector=None), wav)

# -- files: rows of the table
# --------------------------------------------------------------------------------------------------------------------

def _write(path, x=None, rate=16000, **kw):
    sf.write(path, tones() if x is None else x, rate, **kw)
def _header_only(p):
    _write(p)
    p.write_bytes(p.read_bytes()[:44])
def _with(p, value):
    x = tones()
    x[123] = value
    _write(p, x, subtype='FLOAT')
def _long_tail(p):
    _write(p)
    p.write_bytes(p.read_bytes()+b'\0'*999)
def _cut(p):
    _write(p, tones(16000))
    p.write_bytes(p.read_bytes()[:10000])
def _unknown_size(p):
    _write(p)
    b = bytearray(p.read_bytes())
    b[40:44] = struct.pack('<I', 2**32-1)
    p.write_bytes(b)
def _mp3(p):
    _write(q := p.with_suffix('.mp3'))
    q.rename(p)

BAD = dict(
    zero_bytes=(Path.touch, 'is empty'), header_only=(_header_only, 'no samples'),
    page=(lambda p: p.write_text('<!DOCTYPE html><html>404'), 'web page'),
    noise=(lambda p: p.write_bytes(np.random.default_rng(0).bytes(999)), 'cannot be decoded'),
    folder=(Path.mkdir, 'folder'), missing=(lambda p: None, 'does not exist'),
    nan=(lambda p: _with(p, np.nan), 'NaN'), inf=(lambda p: _with(p, np.inf), 'infinite'))
USABLE = dict(
    pcm8=lambda p: _write(p, subtype='PCM_U8'), pcm24=lambda p: _write(p, subtype='PCM_24'),
    pcm32=lambda p: _write(p, subtype='PCM_32'), float32=lambda p: _write(p, subtype='FLOAT'),
    double=lambda p: _write(p, subtype='DOUBLE'), alaw=lambda p: _write(p, subtype='ALAW'),
    hz8000=lambda p: _write(p, tones(4000, 8000), 8000),
    hz11025=lambda p: _write(p, tones(5000, 11025), 11025),
    hz96000=lambda p: _write(p, tones(50000, 96000), 96000), surround=lambda p: _write(p, tones(channels=6)),
    eight=lambda p: _write(p, tones(channels=8)), zeros=lambda p: _write(p, np.zeros((5000, 2))),
    one_sample=lambda p: _write(p, tones(2)[1:]), cut_short=_cut, unknown_size=_unknown_size,
    long_tail=_long_tail, over=lambda p: _write(p, 3 * tones(level=1.0), subtype='FLOAT'),
    full=lambda p: _write(p, np.sign(tones())), mp3_inside=_mp3)

@pytest.mark.parametrize('kind', BAD)
def test_a_bad_file_is_named(systems, tmp_path, kind):
    make,says = BAD[kind]
    path = tmp_path/'störung 1.wav'
    make(path)
    asks = [
        lambda: enhance_file(path, tmp_path / 'o.wav', systems['bands']),
        lambda: detect_file(path, BandDetector()),
        lambda: extract_file(
            path, tmp_path / 'k.wav', tmp_path / 'r.wav', keep="Speech", system=systems['bands'],
            detector=None),
    ]
    for ask in asks:
        TRIED['files refused'] += 1
        with pytest.raises(AudioError, match=says) as caught:
            ask()
        assert str(path) in str(caught.value)
    assert {p.name for p in tmp_path.iterdir()} <= {path.name}

@pytest.mark.parametrize('kind', USABLE)
@pytest.mark.parametrize('name', ['bands', 'unet'])
def test_an_unusual_file_adds_up(systems, tmp_path, kind, name):
    path,kept,removed = (tmp_path/f'{n}.wav' for n in ('in','kept','removed'))
    USABLE[kind](path)
    TRIED['files used'] += 1
    row = extract_file(
        path, kept, removed, keep="Speech", gains=dict(Hum=-6), system=systems[name], detector=None)
    x,k,r = (sf.read(p, always_2d=True)[0] for p in (path, kept, removed))
    assert k.shape==r.shape==x.shape and audio_info(kept).sample_rate==audio_info(path).sample_rate
    if kind != 'mp3_inside':
        assert audio_info(kept).subtype==audio_info(path).subtype
    coding = dict(alaw=.05, float32=2e-7, over=2e-6, mp3_inside=2**-15).get(kind, 1e-12)
    assert np.abs(k+r-10**(row['gain_db']/20)*x).max() <= (coding if not row['gain_db'] else coding+2**-15)
    assert (row['status']=='silent')==(kind=='zeros') and ('cut short' in row['message'])==(kind=='cut_short')

@pytest.mark.parametrize('values', [(np.nan,), (np.inf, -np.inf), (np.nan, 1e300)], ids=str)
def test_repair_puts_zeros_where_no_number_is(systems, tmp_path, values):
    x = tones(40000, channels=2)
    whole = x.copy()
    for i,v in enumerate(values):
        x[20000+i, 1] = v
        whole[20000+i, 1] = 0
    _write(tmp_path/'in.wav', x, subtype='DOUBLE')
    _write(tmp_path/'whole.wav', whole, subtype='DOUBLE')
    says = f'{len(values)} NaN or infinite samples were replaced by 0, the first at 1.250 s'
    TRIED['files repaired'] += 3
    with pytest.raises(NonFiniteAudioError, match='`repair=True` puts zeros'):
        enhance_file(tmp_path/'in.wav', tmp_path/'o.wav', systems['bands'])
    for name,repair in (('in', True), ('whole', False)):
        done = enhance_file(
            tmp_path / f'{name}.wav', tmp_path / f'e_{name}.wav', systems['bands'], block=0.7, repair=repair)
        parts = extract_file(
            tmp_path / f'{name}.wav', tmp_path / f'k_{name}.wav', tmp_path / f'r_{name}.wav', keep="Speech",
            system=systems['bands'], detector=BandDetector(), block=0.7, repair=repair)
        assert all((says in row['message'])==repair for row in (done, parts))
    read = lambda n: sf.read(tmp_path/n, always_2d=True)[0]
    for which in 'ekr':
        assert (read(f'{which}_in.wav')==read(f'{which}_whole.wav')).all()
    assert np.abs(read('k_in.wav')+read('r_in.wav')-whole).max() < 1e-12
    with pytest.warns(AudioWarning, match=says):
        events = detect_file(tmp_path/'in.wav', BandDetector(), repair=True)
    assert events.equals(detect_file(tmp_path/'whole.wav', BandDetector()))

@pytest.mark.parametrize(
    'start,seconds,frames',
    [
        (0, 0.5, (0, 8000)), (1.25, 0.5, (20000, 28000)), (2.0, 99, (32000, 40000)),
        (2.4999, None, (39998, 40000)), (0.0, 1e-9, (0, 1))],
)
def test_a_part_of_a_recording_is_all_there_is(systems, tmp_path, start, seconds, frames):
    x = tones(40000, channels=2)
    _write(tmp_path/'in.wav', x, subtype='PCM_24')
    # a file of floats tells when it was written
    _write(tmp_path/'part.wav', x[slice(*frames)], subtype='PCM_24')
    TRIED['parts'] += 2
    for name,where in (('in', dict(start=start, seconds=seconds)), ('part', {})):
        enhance_file(tmp_path/f'{name}.wav', tmp_path/f'e_{name}.wav', systems['bands'], block=.3, **where)
        extract_file(
            tmp_path / f'{name}.wav', tmp_path / f'k_{name}.wav', tmp_path / f'r_{name}.wav', keep="Speech",
            system=systems['bands'], detector=None, **where)
    for which in 'ekr':
        assert (tmp_path/f'{which}_in.wav').read_bytes()==(tmp_path/f'{which}_part.wav').read_bytes()

@pytest.mark.parametrize(
    'where,says',
    [
        (dict(start=-1), 'expected start >= 0'), (dict(start=np.nan), 'expected start >= 0'),
        (dict(seconds=0), 'seconds > 0'), (dict(seconds=np.nan), 'seconds > 0'),
        (dict(start=9.0), 'at or after its end'),
        (dict(subtype='PCM_99'), "cannot hold 'PCM_99'; expected one of PCM_16")],
    ids=str,
)
def test_a_part_that_is_none_is_refused(systems, tmp_path, where, says):
    _write(tmp_path/'in.wav')
    TRIED['parts refused'] += 2
    with pytest.raises(AudioError, match=says):
        enhance_file(tmp_path/'in.wav', tmp_path/'o.wav', systems['bands'], **where)
    with pytest.raises(AudioError, match=says):
        extract_file(
            tmp_path / 'in.wav', tmp_path / 'k.wav', tmp_path / 'r.wav', keep="Speech",
            system=systems['bands'], detector=None, **where)
    assert [p.name for p in tmp_path.iterdir()]==['in.wav']

@pytest.mark.parametrize('subtype', ['PCM_U8','PCM_16','PCM_24','FLOAT'])
def test_the_coding_can_be_chosen(systems, tmp_path, subtype):
    _write(tmp_path/'in.wav', subtype='PCM_16')
    enhance_file(tmp_path/'in.wav', tmp_path/'o.wav', systems['bands'], subtype=subtype)
    extract_file(
        tmp_path / 'in.wav', tmp_path / 'k.wav', tmp_path / 'r.wav', keep="Speech", system=systems['bands'],
        detector=None, subtype=subtype)
    assert {audio_info(tmp_path/f'{n}.wav').subtype for n in 'okr'}=={subtype}
    x,k,r = (sf.read(tmp_path/f'{n}.wav')[0] for n in ('in','k','r'))
    assert np.abs(k+r-x).max() <= dict(PCM_U8=2**-8, FLOAT=2e-7).get(subtype, 1e-12)

def test_a_batch_goes_on_after_bad_files(systems, tmp_path):
    folder = tmp_path/'in'
    folder.mkdir()
    bad = [k for k in BAD if k not in ('folder','missing')]
    for k in bad:
        BAD[k][0](folder/f'{k}.wav')
    for k in ('pcm24','zeros','surround'):
        USABLE[k](folder/f'{k}.wav')
    for run in (
        lambda out: enhance_files(folder, out, systems['bands'], progress=False),
        lambda out: extract_files(
            folder, out, drop="Hum", system=systems['bands'], detector=BandDetector(), progress=False),
    ):
        report = run(tmp_path/f'out{len(TRIED)}')
        TRIED['files in batches'] += len(report)
        assert {Path(r.input).stem for r in report.itertuples() if r.status=='failed'}==set(bad)
        assert all(r.message for r in report.itertuples() if r.status=='failed')

@pytest.mark.parametrize(
    'name',
    [
        'größe.wav', '録音 1.wav', '🎙.wav', "Dental drill, dentist's drill.wav", 'a b;c&$d.wav', '-keep.wav',
        'X.WAV', 'aux.wav', '.hidden.wav'],
)
def test_any_name_of_a_file(systems, tmp_path, name):
    folder = tmp_path/'örtlich 音'
    folder.mkdir()
    _write(folder/name)
    TRIED['names'] += 1
    report = extract_files(
        folder / name, tmp_path / 'out', keep="Speech", system=systems['bands'], detector=None, progress=False
    )
    assert report.status.tolist() == ['ok'] and sorted(
        str(p.relative_to(tmp_path / 'out')) for p in (tmp_path / 'out').rglob('*') if p.is_file()
    ) == [f'kept/{name}', f'removed/{name}']

def test_nothing_is_overwritten(systems, tmp_path):
    for folder in 'ab':
        (tmp_path/folder).mkdir()
        _write(tmp_path/folder/'same.wav')
    do = lambda inputs, out, **kw: extract_files(
        inputs, out, keep="Speech", system=systems['bands'], detector=None, progress=False, **kw)
    with pytest.raises(OutputCollisionError, match='would all be written to'):
        do([tmp_path/'a'/'same.wav', tmp_path/'b'/'same.wav'], tmp_path/'out')
    with pytest.raises(OutputCollisionError, match='is an input'):
        extract_file(
            tmp_path / 'a' / 'same.wav', tmp_path / 'x.wav', tmp_path / 'a' / 'same.wav', keep="Speech",
            system=systems['bands'], detector=None)
    assert len(do(tmp_path, tmp_path/'out'))==2
    with pytest.raises(OutputCollisionError, match='exist already'):
        do(tmp_path, tmp_path/'out')
    with pytest.raises(ValueError, match='no sound file'):
        do(tmp_path/'a'/'*.mp3', tmp_path/'out')
    TRIED['collisions'] += 5

def test_a_link_to_an_input_is_no_output(systems, tmp_path):
    _write(tmp_path/'a.wav')
    (tmp_path/'soft.wav').symlink_to(tmp_path/'a.wav')
    os.link(tmp_path/'a.wav', tmp_path/'hard.wav')
    before = (tmp_path/'a.wav').read_bytes()
    for source in ('a.wav', 'soft.wav', 'hard.wav'):
        for target in ('a.wav', 'soft.wav', 'hard.wav'):
            with pytest.raises(OutputCollisionError, match='is an input'):
                enhance_files([tmp_path/source], tmp_path/target, 'noisy', progress=False)
    assert (
        (tmp_path / 'soft.wav').is_symlink() and (tmp_path / 'a.wav').samefile(tmp_path / 'hard.wav')
        and (tmp_path / 'a.wav').read_bytes() == before)
    TRIED['collisions'] += 9

@pytest.mark.parametrize(
    'code,says',
    [(errno.ENOSPC, 'the disk is full'), (errno.EROFS, 'no permission'), (errno.EACCES, 'no permission')])
def test_a_disk_that_refuses_leaves_nothing_half_done(systems, tmp_path, monkeypatch, code, says):
    import weakse.core.files
    _write(tmp_path/'in.wav')
    def refuse(tmp, path):
        raise OSError(code, os.strerror(code), str(path))
    monkeypatch.setattr(weakse.core.files, '_replace', refuse)
    TRIED['disks'] += 1
    with pytest.raises(OSError, match=says):
        extract_file(
            tmp_path / 'in.wav', tmp_path / 'k.wav', tmp_path / 'r.wav', keep="Speech",
            system=systems['bands'], detector=None)
    assert [p.name for p in tmp_path.iterdir()]==['in.wav']

# -- wishes
# --------------------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('wish,error,says', [
    (dict(),                                    ValueError,        'nothing is asked for'),
    (dict(keep=[]),                             ValueError,        'nothing is asked for'),
    (dict(keep="Wistle"),                       UnknownClassError, "nearest: 'Whistle'"),
    (dict(keep=["Speech", None]),               UnknownClassError, 'unknown class None'),
    (dict(keep="Speech", drop="Speech"),        ValueError,        'twice'),
    (dict(gains=dict(Hum="loud")),              ValueError,        "is 'loud'"),
    (dict(gains=dict(Hum=float('nan'))),        ValueError,        'is nan'),
    (dict(gains=dict(Hum=float('inf'))),        ValueError,        'is inf'),
    (dict(gains=dict(Hum=1000)),                ValueError,        'is 1000'),
    (dict(gains=[("Hum", 3)]),                  ValueError,        'expected a dict'),
    (dict(keep="Speech", strength=-.1),         ValueError,        '`strength` is -0.1'),
    (dict(keep="Speech", strength=float('nan')),ValueError,        '`strength` is nan'),
    (dict(keep="Speech", floor_db=6),           ValueError,        'at most 0'),
    (dict(keep="Speech", block=0),              ValueError,        'block'),
    (dict(keep="Speech", overlap=-1),           ValueError,        'overlap'),
    (dict(keep="Speech", precision='half'),     ValueError,        'precision'),
    (dict(keep="Speech", system='nowhere'),     ValueError,        'nowhere'),
    (dict(keep="Speech", detector='nobody'),    ValueError,        'nobody'),
    (dict(keep="Speech", system='oracle'),      ValueError,        'oracle'),
], ids=str)
def test_a_wish_that_makes_no_sense_is_refused(systems, wish, error, says):
    TRIED['wishes refused'] += 1
    with pytest.raises(error, match=says):
        extract(tones()[:,0], 16000, **(dict(system=systems['bands'], detector=None) | wish))

def test_what_is_not_there_is_said(systems):
    low = np.sin(2*np.pi*120*np.arange(16000)/16000)*.3
    with pytest.raises(NotDetectedError, match="'Whistle' is not detected in the recording; detected: Hum"):
        extract(low, 16000, keep="Whistle", system=systems['bands'], detector=BandDetector())
    assert 'Whistle' not in Mixer(low, 16000, systems['bands'], BandDetector(), progress=False).classes

# -- drawn at random
# -----------------------------------------------------------------------------------------------------------------------------

DTYPES = [
    'float16', 'float32', 'float64', '>f4', 'int8', 'int16', 'int32', 'uint8', 'int64', 'uint16', 'bool',
    'complex64']
OK = (AudioError, UnknownClassError, NotDetectedError)
FUZZ = dict(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

@st.composite
def recordings(draw):
    "An array that somebody might bring: layout, type, level, rate, and now and then a sample that is none."
    channels = draw(st.integers(1, 9))
    n = draw(
        st.one_of(
            st.integers(0, 40),
            st.sampled_from([159, 160, 161, 255, 256, 257, 511, 513, 7999, 8000, 8001, 15999, 16000, 16001]),
            st.integers(40, 30000))
    )
    level,dtype = 10**(draw(st.floats(-120, 20))/20),draw(st.sampled_from(DTYPES))
    noise = np.random.default_rng(draw(st.integers(0, 99))).standard_normal((channels, n))
    x = (
        draw(st.floats(0, 1)) * noise
        + draw(st.floats(0, 1)) * np.sin(np.arange(n) * draw(st.floats(0.001, 3)))) * level
    with np.errstate(all='ignore'):
        if np.dtype(dtype).kind in 'iu':
            x = np.clip(x, -1, 1)*(2**(8*np.dtype(dtype).itemsize-1)-1) + (128 if dtype=='uint8' else 0)
        x = np.round(x).astype(dtype) if np.dtype(dtype).kind in 'iub' else x.astype(dtype)
    if n and np.dtype(dtype).kind=='f' and draw(st.integers(0, 9))==0:
        x[draw(st.integers(0, channels - 1)), draw(st.integers(0, n - 1))] = draw(
            st.sampled_from([np.nan, np.inf, -np.inf]))
    if draw(st.integers(0, 9))==0:
        x[:, n//3:] = 0
    x = draw(
        st.sampled_from(
            [lambda x: x, lambda x: x, lambda x: x[0], lambda x: x.T, lambda x: x[None], lambda x: x[:, ::-1]]
        )
    )(x)
    rate = draw(
        st.one_of(
            st.sampled_from(RATES), st.sampled_from(RATES), st.integers(1000, 100000),
            st.sampled_from([0, -1, 16, 44.1, None]))
    )
    return (
        torch.from_numpy(x.copy()) if draw(st.booleans()) and np.dtype(dtype).isnative and dtype != 'uint16'
        else x), rate

def _usable(x, rate):
    try:
        return rate is not None and bool(len(check_audio(x, rate)))
    except AudioError:
        return False

def _one(name, x, rate, f):
    "Run `f`; where the recording is usable it must work, where not our own error must come."
    TRIED[f'fuzzed: {name}'] += 1
    if _usable(x, rate):
        TRIED['fuzzed: of these usable'] += 1
        return f()
    with pytest.raises(AudioError):
        f()

WISHES = st.sampled_from(
    [
        dict(keep="Speech"), dict(drop="Hum"), dict(gains={"Whistle": -12.3}),
        dict(keep=["Speech"], drop=["Hum"], gains={"Whistle": -6}, floor_db=-30),
        dict(gains={"Hum": 20, "rest": -20}), dict(keep=["Speech", "Whistle"], strength=0.4),
        dict(drop=["Speech", "Hum", "Whistle"])]
)

@pytest.mark.parametrize('name,n', [('bands',200), ('unet',120), ('selective',60), ('wiener',60)])
def test_fuzzed_arrays(systems, name, n):
    @settings(max_examples=n, **FUZZ)
    @given(recordings(), WISHES)
    def run(recording, wish):
        x,rate = recording
        if name=='wiener':
            wish = dict(keep="Speech")
        def f():
            done = extract(x, rate, **wish, system=systems[name], detector=None)
            assert adds_up(done, x) and type(done.kept)==type(x)
            out = enhance(x, rate, systems[name])
            assert (
                np.shape(out) == np.shape(x) and np.isfinite(np.asarray(out)).all()
                and (np.asarray(check_audio(x)).any() or not np.asarray(out).any()))
        _one(f'extract and enhance, {name}', x, rate, f)
    run()

def test_fuzzed_mixer(systems):

    @settings(max_examples=120, **FUZZ)
    @given(
        recordings(), st.lists(st.tuples(st.sampled_from([*NAMES, 'rest']), st.floats(-80, 30)), max_size=4),
        st.lists(st.sampled_from([*NAMES, 'rest']), max_size=2))
    def run(recording, faders, muted):
        x,rate = recording
        def f():
            m = Mixer(x, rate, systems['bands'], None, list(NAMES), progress=False)
            assert (
                np.asarray(sum(np.asarray(s) for s in m.stems.values()) + np.asarray(m.rest))
                == check_audio(x).reshape(np.shape(x)).double().numpy()).all()
            assert (np.asarray(m.render())==check_audio(x).reshape(np.shape(x)).numpy()).all()
            m.gains.update(faders)
            for name in muted:
                m.mute(name)
            mixed = m.render()
            assert np.shape(mixed)==np.shape(x) and np.isfinite(np.asarray(mixed)).all()
            m.apply(m.settings())
            assert (np.asarray(m.render())==np.asarray(mixed)).all()
        _one('mixer', x, rate, f)
    run()

def test_fuzzed_detection(systems):
    @settings(max_examples=120, **FUZZ)
    @given(recordings())
    def run(recording):
        x,rate = recording
        def f():
            events = detect(x, rate, BandDetector())
            end = check_audio(x).shape[-1]/rate
            assert (
                (events.onset < events.offset).all() and (events.offset <= end).all()
                and events.score.between(0, 1).all())
            try:
                extract(x, rate, keep="Hum", system=systems['bands'], detector=BandDetector())
            except NotDetectedError:
                assert 'Hum' not in set(events['class'])
        _one('detect', x, rate, f)
    run()

SUBTYPES = [('.wav', s) for s in ('PCM_U8', 'PCM_16', 'PCM_24', 'PCM_32', 'FLOAT', 'DOUBLE', 'ULAW')] + [
    ('.flac', 'PCM_16'), ('.flac', 'PCM_24'), ('.ogg', 'VORBIS'), ('.aiff', 'PCM_16')]

def test_fuzzed_files(systems, tmp_path):
    step = dict(PCM_U8=0, PCM_16=0, PCM_24=0, PCM_32=0, DOUBLE=2e-7, FLOAT=2e-7)

    @settings(max_examples=150, **FUZZ)
    @given(
        st.sampled_from(SUBTYPES), st.sampled_from(RATES), st.integers(1, 6), st.integers(1, 12000),
        st.floats(-120, 20), WISHES, st.sampled_from(['bands', 'bands', 'unet']))
    def run(coding, rate, channels, n, db, wish, name):
        suffix,subtype = coding
        path,kept,removed = (tmp_path/f'{w}{suffix}' for w in ('in','kept','removed'))
        x = 10**(db/20)*np.random.default_rng(n).uniform(-1, 1, (n, channels))
        try:
            sf.write(path, x, rate, subtype=subtype)
        except sf.LibsndfileError:
            return                                   # not every coding takes every rate
        TRIED['fuzzed: files'] += 1
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', AudioWarning)
            try:
                row = extract_file(
                    path, kept, removed, overwrite=True, **wish, system=systems[name], detector=None)
            except EmptyAudioError:
                assert suffix=='.ogg'
                return
        x,k,r = (sf.read(p, always_2d=True)[0] for p in (path, kept, removed))
        assert k.shape==r.shape==x.shape and np.isfinite(k).all() and np.isfinite(r).all()
        if subtype in step:
            assert np.abs(k + r - 10 ** (row['gain_db'] / 20) * x).max() <= step[subtype] * max(
                1, np.abs(x).max()
            ) + (2 / 2 ** (dict(PCM_U8=8).get(subtype, 16) - 1) if row['gain_db'] else 1e-12)
        assert [p.name for p in tmp_path.iterdir() if p.name.startswith('.')]==[]
    run()

def test_how_many(capsys):
    with capsys.disabled():
        print(
            f"\n{sum(n for k, n in TRIED.items() if k != 'fuzzed: of these usable')} inputs tried: "
            + ', '.join(f'{k} {n}' for k, n in sorted(TRIED.items())))
