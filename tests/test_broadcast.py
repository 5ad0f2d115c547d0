"""A broadcast wave keeps what it says of itself: who made it and when, its place in time, its cue points."""
import struct
import numpy as np, pytest, soundfile as sf
from weakse.core.headers import riff_chunks
from weakse.core.audio import load_audio
from doubles import band_system
from weakse.inference.extract_files import extract_file
from weakse.inference.enhance import enhance_file

RATE = 8000

def chunk(name, body):
    return name + struct.pack('<I', len(body)) + body + b'\0'*(len(body)%2)

def bext(reference=28_800_000, version=2, history=b'A=PCM,F=8000,W=16,M=mono\r\n'):
    """Tech 3285: description, originator and its reference, date, time, place in samples, version, UMID,
    loudness, reserved."""
    head = (
        b'Interview, room 7'.ljust(256, b'\0') + b'Recorder'.ljust(32, b'\0') + b'REF0001'.ljust(32, b'\0')
        + b'2024-05-06' + b'08:00:00')
    return (
        head + struct.pack('<QH', reference, version) + bytes(64)
        + struct.pack('<5h', -2300, 500, -100, -2000, -2100) + bytes(180) + history)

def cues(*points):
    return struct.pack('<I', len(points)) + b''.join(
        struct.pack('<II4sIII', i, at, b'data', 0, 0, at) for i, at in points)

def labels(**texts):
    return b'adtl' + b''.join(
        chunk(b'labl', struct.pack('<I', int(i[1:])) + t.encode() + b'\0') for i, t in texts.items())

def write(path, *extra, n=2*RATE, front=False, **how):
    "A WAV with more chunks, behind its samples or in front of them."
    wav = .3*np.sin(np.arange(n)*.3)
    sf.write(path, wav, RATE, **how)
    data,more = path.read_bytes(),b''.join(chunk(*c) for c in extra)
    at = data.index(b'data') if front else len(data)
    body = data[:at] + b'\0'*(0 if front else len(data)%2) + more + data[at:]
    path.write_bytes(body if body[:4]==b'RF64' else body[:4] + struct.pack('<I', len(body)-8) + body[8:])
    return path

def read(path):
    "Chunks of a file by their names; its sizes must be true."
    data,found = path.read_bytes(),{}
    size = struct.unpack('<Q', data[20:28])[0] if data[:4]==b'RF64' else struct.unpack('<I', data[4:8])[0]
    assert size == len(data)-8
    for name,at,n in riff_chunks(path):
        found[name if name!=b'LIST' else data[at:at+4]] = data[at:at+n]
    return found

def points(body):
    return [(i, at) for i,_,_,_,_,at in struct.iter_unpack('<II4sIII', body[4:])]

def reference(body):
    return int.from_bytes(body[338:346], 'little')

CUES = [(1, 0), (2, 4000), (3, 12000), (7, 2*RATE)]
LABELS = dict(_1='start', _2='question', _3='answer', _7='end')

@pytest.fixture(params=[False, True])
def talk(tmp_path, request):
    return write(
        tmp_path / 'a.wav', (b'bext', bext()), (b'cue ', cues(*CUES)), (b'LIST', labels(**LABELS)),
        front=request.param)

def test_a_whole_file_keeps_all(talk, tmp_path):
    enhance_file(talk, tmp_path/'o.wav', 'noisy')
    found = read(tmp_path/'o.wav')
    kept,given = found[b'bext'],bext()
    assert kept[:412]==given[:412] and kept[422:]==given[422:]
    # the loudness of another sound: "not known" by the standard
    assert kept[412:422] == b'\xff\x7f'*5
    assert points(found[b'cue ']) == CUES and found[b'adtl'] == labels(**LABELS)
    np.testing.assert_allclose(load_audio(tmp_path/'o.wav')[0], load_audio(talk)[0], atol=1e-4)

def test_a_part_has_its_own_place_in_time(talk, tmp_path):
    enhance_file(talk, tmp_path/'o.wav', 'noisy', start=.25, seconds=1)
    found = read(tmp_path/'o.wav')
    assert reference(found[b'bext']) == 28_800_000 + RATE//4
    assert points(found[b'cue ']) == [(2, 2000)] and found[b'adtl'] == labels(_2='question')

def test_both_halves_keep_all(talk, tmp_path):
    extract_file(
        talk, tmp_path / 'k.wav', tmp_path / 'r.wav', keep='Speech', system=band_system(), detector=None,
        start=1)
    for name in 'kr':
        found = read(tmp_path/f'{name}.wav')
        assert reference(found[b'bext']) == 28_800_000 + RATE and points(found[b'cue ']) == [
            (3, 4000), (7, RATE)]

@pytest.mark.parametrize(
    'how,n',
    [
        (dict(format='RF64'), 2 * RATE), (dict(subtype='PCM_U8'), RATE + 1), (dict(subtype='FLOAT'), RATE),
        (dict(subtype='GSM610'), RATE), (dict(subtype='PCM_24', format='WAVEX'), RATE)],
)
def test_every_kind_of_wav(tmp_path, how, n):
    path = write(tmp_path/'a.wav', (b'bext', bext()), (b'cue ', cues((1, 500))), n=n, **how)
    for out in ('o.wav','o.rf64'):
        assert enhance_file(path, tmp_path/out, 'noisy', start=.05)['status'] == 'ok'
        found = read(tmp_path/out)
        assert reference(found[b'bext']) == 28_800_000 + 400 and points(found[b'cue ']) == [(1, 100)]
        more = sf.info(tmp_path/out).frames - (len(load_audio(path)[0])-400)
        # blocks, where the coding has blocks
        assert 0 <= more < (641 if how.get('subtype')=='GSM610' else 1)

def test_a_title_is_kept_where_a_copy_had_to_be_decoded(tmp_path):
    with sf.SoundFile(tmp_path/'a.wav', 'w', RATE, 1, 'GSM610') as f:
        f.title = 'Talk'
        f.write(np.zeros(RATE))
    enhance_file(tmp_path/'a.wav', tmp_path/'o.wav', 'noisy')
    with sf.SoundFile(tmp_path/'o.wav') as f:
        assert f.title == 'Talk'

def test_other_formats_get_no_chunks(talk, tmp_path):
    for suffix in ('flac','aiff','w64','caf'):
        enhance_file(talk, tmp_path/f'o.{suffix}', 'noisy')
        assert b'Interview' not in (tmp_path/f'o.{suffix}').read_bytes()

def test_a_region_ends_with_the_part(tmp_path):
    region = (
        b'adtl' + chunk(b'ltxt', struct.pack('<II4s4H', 2, 9000, b'rgn ', 0, 0, 0, 0))
        + chunk(b'note', struct.pack('<I', 2) + b'louder\0'))
    path = write(tmp_path/'a.wav', (b'cue ', cues((2, 4000))), (b'LIST', region))
    enhance_file(path, tmp_path/'o.wav', 'noisy', start=.25, seconds=1)
    assert read(tmp_path/'o.wav')[b'adtl'] == region.replace(struct.pack('<I', 9000), struct.pack('<I', 6000))

def test_loudness_is_reserved_before_version_2(tmp_path):
    enhance_file(write(tmp_path/'a.wav', (b'bext', bext(version=1))), tmp_path/'o.wav', 'noisy')
    assert read(tmp_path/'o.wav')[b'bext'] == bext(version=1)

def test_a_place_in_time_that_is_full_stays_in_its_bits(tmp_path):
    enhance_file(write(tmp_path/'a.wav', (b'bext', bext(2**64-1))), tmp_path/'o.wav', 'noisy', start=1)
    assert reference(read(tmp_path/'o.wav')[b'bext']) == 2**64-1

def test_chunks_that_lie_are_no_end(tmp_path):
    """Counts beyond the chunk, bodies too short, texts of points that are not there: what is true is kept,
    nothing is raised."""
    rng,whole = np.random.default_rng(0),dict(bext=bext(), cue=cues(*CUES), list=labels(**LABELS))
    for i in range(200):
        name,body = [(b'bext', whole['bext']), (b'cue ', whole['cue']), (b'LIST', whole['list'])][i%3]
        body = bytearray(body[:rng.integers(0, len(body)+1)])
        for at in rng.integers(0, max(1, len(body)), 3):
            body[at:at+1] = bytes([rng.integers(256)]) if len(body) else b''
        path = write(
            tmp_path / 'a.wav', (name, bytes(body)), (b'cue ', whole['cue']), (b'LIST', whole['list']), n=400)
        assert enhance_file(path, tmp_path/'o.wav', 'noisy', overwrite=True)['status'] == 'ok'
        found = read(tmp_path/'o.wav')
        assert sf.info(tmp_path / 'o.wav').frames == 400 and all(
            at <= 400 for _, at in points(found.get(b'cue ', bytes(4))))
