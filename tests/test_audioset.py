"""What a notebook cannot hold about AudioSet: a downloader that is killed and called again, Ctrl-C, a
manifest broken off, several threads, no network."""
import csv, os, signal, socket, sys, threading, time
from pathlib import Path

import commands, pytest, soundfile as sf, torch

from weakse.corpora import audioset_manifest
from weakse.core.audio import save_audio
from weakse.corpora.audioset_clips import fetch_clips
from weakse.corpora.audioset_manifest import (
    FAILURES, make_manifest, manifest_hash, read_failures, read_manifest)
from weakse.corpora.audioset_segments import read_segments
from weakse.corpora.youtube import ClipError, youtube_audio
from weakse.core.fetch import FetchError, sha256_of

NOISE = 0.1*torch.randn(4*8000, generator=torch.Generator().manual_seed(0))
FAST = dict(rate=60000., backoff=0.01, progress=False)

def write_list(folder, n):
    rows = ''.join(f'video-{i:05d}, 1.000, 2.000, "/m/09x0r"\n' for i in range(n))
    (folder/'list.csv').write_text("# YTID, start_seconds, end_seconds, positive_labels\n" + rows)
    return folder/'list.csv'

def site(id, folder):
    if int(id[-5:])%4 == 3: raise ClipError('private', "Private video")
    return save_audio(Path(folder)/f'{id}.wav', NOISE, 8000, overwrite=True)

def content(folder):
    return {p.name: sha256_of(p) for p in folder.glob('*.flac')}   # hidden ones too: there must be none

# a run of its own, so that it can be killed: a slow site, a line for each video it is asked for
RUN = '''
import signal, sys, time; sys.path.insert(0, {here!r})
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)   # a shell in the background makes its children deaf to Ctrl-C
from test_audioset import FAST, site
from weakse.corpora.audioset_clips import fetch_clips
def slow(id, folder):
    with open({log!r}, 'a') as f: f.write(id+chr(10))
    time.sleep(.05)
    return site(id, folder)
print(fetch_clips({list!r}, {out!r}, download=slow, n_workers={n_workers}, **FAST))
'''

def start(folder, out, n_workers):
    code = RUN.format(
        here=str(Path(__file__).parent), log=str(folder / 'asked'), list=str(folder / 'list.csv'),
        out=str(folder / out), n_workers=n_workers)
    return commands.start('-c', code, cwd=folder, env=dict(PYTHONPATH=str(Path(__file__).parents[1])))

def wait_for(path, lines, seconds=60):
    end = time.monotonic()+seconds
    while not path.is_file() or len(path.read_text().splitlines()) < lines:
        assert time.monotonic() < end, f"{path.name} has not come to {lines} lines"
        time.sleep(.02)

@pytest.mark.scale
@pytest.mark.parametrize(
    'how, n_workers', [(signal.SIGKILL, 1), (signal.SIGKILL, 3), (signal.SIGINT, 1), (signal.SIGINT, 3)])
def test_killed_and_called_again_it_ends_where_an_undisturbed_run_does(tmp_path, how, n_workers):
    path = write_list(tmp_path, 24)
    run = start(tmp_path, 'out', n_workers)
    wait_for(tmp_path/'asked', 8)
    run.send_signal(how)
    assert run.wait().returncode != 0
    there, noted = content(tmp_path/'out'), read_failures(tmp_path/'out')
    assert 0 < len(there) < 18 and [p.name for p in (tmp_path/'out').glob('.*')] in (['.part'], [])
    # what was in work is all that an end can cost
    assert len(there)+len(noted) >= 8-n_workers
    asked = []
    report = fetch_clips(
        path, tmp_path / 'out', download=lambda id, folder: (asked.append(id), site(id, folder))[1], **FAST)
    assert (
        report['there'] == len(there) and report['given_up'] == len(noted)
        and len(asked) == 24 - len(there) - len(noted))
    fetch_clips(path, tmp_path/'whole', download=site, **FAST)
    assert content(tmp_path/'out') == content(tmp_path/'whole') and len(content(tmp_path/'out')) == 18
    assert read_failures(tmp_path/'out') == read_failures(tmp_path/'whole')
    assert [p.name for p in (tmp_path/'out'/'.part').iterdir()] == ['.weakse']

def test_an_error_of_this_machine_ends_the_run_and_keeps_what_is_there(tmp_path):
    "A full disk is no reason to write off a clip."
    def full(id, folder):
        if id.endswith('5'): raise OSError(28, "No space left on device")
        return site(id, folder)
    with pytest.raises(OSError, match="No space left"):
        fetch_clips(write_list(tmp_path, 12), tmp_path/'out', download=full, n_workers=2, **FAST)
    assert len(content(tmp_path / 'out')) >= 3 and all(
        'private' in why for why in read_failures(tmp_path / 'out').values())

def test_threads_share_one_pace_and_end_with_the_run(tmp_path):
    before, times = threading.active_count(), []
    def timed(id, folder):
        times.append(time.monotonic())
        return site(id, folder)
    fetch_clips(
        write_list(tmp_path, 8), tmp_path / 'out', download=timed, n_workers=4, **{**FAST, 'rate': 1200.0})
    # 50 ms apart, give or take the clock
    assert all(b-a > .04 for a, b in zip(sorted(times), sorted(times)[1:]))
    assert threading.active_count() == before

def test_a_refusal_makes_everybody_wait_and_a_success_forgives(tmp_path):
    asked, start = [], time.monotonic()
    def moody(id, folder):
        asked.append(id)
        if len(asked) in (2, 3): raise ClipError('refused', "HTTP Error 429")
        return site(id, folder)
    report = fetch_clips(
        write_list(tmp_path, 3), tmp_path / 'out', download=moody, n_workers=1, **{**FAST, 'backoff': 0.2})
    assert report['fetched'] == 3 and len(asked) == 5 and time.monotonic()-start > .2+.4

def test_a_torn_line_of_failures_is_passed_over(tmp_path):
    path = write_list(tmp_path, 8)
    fetch_clips(path, tmp_path/'out', download=site, **FAST)
    notes = tmp_path/'out'/FAILURES
    notes.write_bytes(notes.read_bytes()[:-9])                     # the last message lost its end
    assert fetch_clips(path, tmp_path/'out', download=site, **FAST)['given_up'] == 2
    notes.write_text(notes.read_text().rsplit(',', 2)[0])          # the last line lost its reason
    assert fetch_clips(path, tmp_path / 'out', download=site, **FAST) == dict(
        listed=8, there=6, given_up=1, fetched=0, failed=1, reasons={'private': 1})
    with notes.open(newline='') as f:
        assert [r[0] for r in csv.reader(f)] == ['id', 'video-00003', 'video-00007']

def test_a_manifest_broken_off_goes_on(tmp_path, monkeypatch):
    "Ctrl-C in the second of three blocks: the first is remembered, and the end is that of an undisturbed run."
    table = read_segments(write_list(tmp_path, 600))
    (tmp_path/'clips').mkdir()
    for i, id in enumerate(table.id):
        sf.write(tmp_path/'clips'/f'{id}.flac', NOISE[i:i+8000].numpy(), 8000)
    seen, examine = [], audioset_manifest.examine_clip
    def watched(path):
        if len(seen) == 300: raise KeyboardInterrupt
        seen.append(path)
        return examine(path)
    run = lambda name: make_manifest(table, tmp_path/'clips', tmp_path/name, n_workers=1, progress=False)
    monkeypatch.setattr(audioset_manifest, 'examine_clip', watched)
    with pytest.raises(KeyboardInterrupt):
        run('m.csv')
    half = read_manifest(tmp_path/'m.csv')
    assert half.status.value_counts().to_dict() == {'unexamined': 344, 'present': 256}
    monkeypatch.setattr(audioset_manifest, 'examine_clip', lambda path: (seen.append(path), examine(path))[1])
    seen.clear()
    done = run('m.csv')
    assert (
        len(seen) == 344 and manifest_hash(done) == manifest_hash(run('other.csv'))
        and (done.status == 'present').all())

def test_without_network_the_reason_is_the_network(tmp_path, monkeypatch):
    pytest.importorskip('yt_dlp')
    def refused(*args, **kwargs):
        raise socket.gaierror(-2, "Name or service not known")
    monkeypatch.setattr(socket, 'getaddrinfo', refused)
    with pytest.raises(ClipError) as e:
        youtube_audio('--4gqARaEJE', tmp_path, timeout=2)
    assert e.value.reason == 'network' and '\x1b' not in str(e.value)

def test_without_yt_dlp_the_run_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'yt_dlp', None)
    with pytest.raises(ImportError, match=r"pip install 'weakse\[audioset\]'"):
        fetch_clips(write_list(tmp_path, 2), tmp_path/'out', **FAST)
    assert not content(tmp_path/'out') and not read_failures(tmp_path/'out')

def test_what_ffmpeg_is_asked_for(tmp_path, monkeypatch):
    """A stand-in for ffmpeg that writes down its arguments and gives sound: decoding begins before the
    segment, which is cut exactly."""
    tool = tmp_path/'bin'/'ffmpeg'
    save_audio(tmp_path/'sound.wav', NOISE[:int(2.5*8000)], 8000)
    tool.parent.mkdir()
    tool.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/args\nfor last; do :; done\ncp {tmp_path}/sound.wav '
        '"$last"\n')
    tool.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tool.parent}{os.pathsep}{os.environ["PATH"]}')
    source = tmp_path/'-odd name.webm'
    source.write_bytes(b'\x1aE\xdf\xa3 no sound file')
    from weakse.core.audio import audio_info
    from weakse.corpora.youtube import cut_clip
    assert audio_info(cut_clip(source, tmp_path/'out.flac', 30, 32)).frames == 64000
    args = (tmp_path/'args').read_text().splitlines()
    assert args[args.index('-i') + 1] == str(source) and [
        args[i + 1] for i, a in enumerate(args) if a == '-ss'] == ['28.000', '2.000']
    tool.write_text('#!/bin/sh\necho "moov atom not found" >&2\nexit 1\n')
    with pytest.raises(ClipError, match="moov atom") as e:
        cut_clip(source, tmp_path/'x.flac', 30, 32)
    assert e.value.reason == 'undecodable'
