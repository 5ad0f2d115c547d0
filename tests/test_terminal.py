"Names are text wherever they go, and printing never ends a verb."
import json, os, signal, subprocess, sys
from pathlib import Path
import commands, pytest, soundfile as sf
from test_score import syllables
from weakse.core.files import read_json, write_json
from weakse.core.terminal import plain

NAMES = [
    '[/b]', '[bold]x', ':x:', 'a\x1b[31mb', '\u202eabc', 'n\x85x', os.fsdecode(b'caf\xe9'), '漢' * 80,
    '😀' * 60,
]


def run(folder, *args, tail='', whole=False, stdin=None, **env):
    """The command in `folder`, through a shell where `tail` says what follows; `whole`: in a process that
    Python starts anew, where it is the process that is looked at."""
    root = str(Path(__file__).parents[1])
    env = {'COLUMNS': '100', 'NO_COLOR': '1', 'TERM': 'dumb', 'PYTHONPATH': root, **env}
    if not (tail or whole): return commands.run(*args, cwd=folder, env=env, stdin=stdin)
    command = [sys.executable, '-c', commands.COMMAND, *map(str, args)]
    if tail:
        command = ['bash', '-c', f'set -o pipefail; "$@" {tail}', '-', *command]
    return subprocess.run(command, cwd=folder, capture_output=True, env={**os.environ, **env}, stdin=stdin)


def pairs(folder, names, cut=0):
    "clean/ and enhanced/ of half a second each."
    c, e = (x[:12000] for x in syllables())
    for d, x in (('clean', c), ('enhanced', e[:len(e)-cut])):
        (folder/d).mkdir()
        for name in names:
            path = folder/d/f'{name}.wav'
            path.parent.mkdir(exist_ok=True)   # `[/b]` is a folder and a file
            with path.open('wb') as f:
                sf.write(f, x, 16000, format='WAV')
    return '--clean', 'clean', '--enhanced', 'enhanced'


def test_text_is_shown_not_obeyed():
    assert plain('a\x1b[2J\x9b\u202e\udce9\n') == 'a\\x1b[2J\\x9b\\u202e\\xe9\n'
    assert plain('[/b] :x: 漢😀') == '[/b] :x: 漢😀'


def test_json_holds_any_name(tmp_path):
    name = os.fsdecode(b'caf\xe9')
    write_json(tmp_path/'a.json', [name])
    (tmp_path/'a.json').read_text(encoding='utf-8', errors='strict')
    assert read_json(tmp_path/'a.json') == [name]


@pytest.mark.parametrize('name', ['漢'*80, '😀'*60, 'a'*245])
def test_long_names_can_be_written(tmp_path, name):
    write_json(tmp_path/f'{name}.json', 1)
    assert read_json(tmp_path/f'{name}.json') == 1


def test_scores_of_any_name(tmp_path):
    given = pairs(tmp_path, NAMES, cut=1)
    r = run(tmp_path, 'score', *given, '--json', 's.json')
    assert r.returncode == 1 and b'Traceback' not in r.stderr
    for word in (
        b'[/b]: ', b'[bold]x: ', b':x:: ', b'a\\x1b[31mb: ', b'\\u202eabc: ', b'n\\x85x: ', b'caf\\xe9: '):
        assert word in r.stdout.replace(b'\n', b' '), word
    assert b'\x1b' not in r.stdout+r.stderr
    assert {
        f['file'] for f in json.loads((tmp_path / 's.json').read_text(encoding='utf-8'))['failed']
    } == set(NAMES)


def test_enhance_of_any_name(tmp_path):
    pairs(tmp_path, NAMES)
    r = run(tmp_path, 'enhance', 'clean', '-o', 'out', '--system', 'highpass', '--json', 'r.json')
    assert r.returncode == 0, r.stderr
    assert {
        p.relative_to(tmp_path / 'out').with_suffix('').as_posix() for p in (tmp_path / 'out').rglob('*.wav')
    } == set(NAMES)
    assert len(json.loads((tmp_path/'r.json').read_text(encoding='utf-8'))['files']) == len(NAMES)


def test_a_narrow_encoding_loses_letters_not_results(tmp_path):
    given = pairs(tmp_path, ['漢'])
    r = run(tmp_path, 'score', *given, whole=True, PYTHONIOENCODING='cp1252')
    assert r.returncode == 0 and b'PESQ' in r.stdout and not r.stderr.count(b'charmap')


def test_a_closed_pipe_ends_no_verb(tmp_path):
    given = pairs(tmp_path, ['a'])
    r = run(tmp_path, 'score', *given, '--json', 's.json', tail='| true')
    assert r.returncode == 0 and b'Traceback' not in r.stderr and b'BrokenPipe' not in r.stderr
    assert (tmp_path/'s.json').is_file()


def test_help_into_a_closed_pipe_says_nothing(tmp_path):
    assert not run(tmp_path, 'compare', '-h', tail='| true').stderr


def test_version_is_said_at_once(tmp_path):
    from weakse import __version__
    r = run(tmp_path, '--version', PYTHONPROFILEIMPORTTIME='1')
    assert r.stdout.decode().split()==['weakse', __version__] and b' torch' not in r.stderr


@pytest.mark.parametrize('before,behind', [(('-q',), ()), ((), ('-q',)), ((), ())])
def test_quiet_leaves_errors_and_the_result(tmp_path, before, behind):
    "The result is on standard output whatever is asked for; what is said beside it is not."
    given = pairs(tmp_path, ['a'])
    (tmp_path/'params.yaml').write_text('kinds: {min_anchors: 3}\n')
    r = run(tmp_path, *before, 'score', *given, *behind)
    assert r.returncode==0 and b'PESQ' in r.stdout and b'1 of 1 files scored' in r.stdout
    assert (b'is called `sound_types` now' in r.stderr) == (before==behind) and not (r.stderr and before!=behind)
    r = run(tmp_path, *before, 'score', '--clean', 'clean', '--enhanced', 'none', *behind)
    assert r.returncode==1 and b'error: ' in r.stderr


def test_a_notice_in_place_of_a_table_is_not_for_who_wants_quiet(tmp_path):
    assert b'there is no table to print' in run(tmp_path, 'report').stderr
    assert not run(tmp_path, 'report', '-q').stderr


@pytest.mark.parametrize('words', [('report',), ('sing', '[/b]')], ids=' '.join)
def test_a_forked_command_says_what_a_whole_one_says(tmp_path, words):
    "What the other tests here stand on."
    forked,whole = run(tmp_path, *words),run(tmp_path, *words, whole=True)
    assert (forked.returncode, forked.stdout, forked.stderr)==(whole.returncode, whole.stdout, whole.stderr)


def test_verbose_says_what_is_read_and_when(tmp_path):
    pairs(tmp_path, ['a'])
    r = run(tmp_path, 'enhance', 'clean/a.wav', '-o', 'b.wav', '--system', 'highpass', '-v')
    assert r.returncode==0 and b' s  reads clean/a.wav' in r.stderr and b'reads' not in r.stdout
    assert b'reads' not in run(
        tmp_path, 'enhance', 'clean/a.wav', '-o', 'c.wav', '--system', 'highpass').stderr


def test_one_sample_is_counted_and_can_be_tolerated(tmp_path):
    given = pairs(tmp_path, ['a'], cut=1)
    r = run(tmp_path, 'score', *given)
    assert r.returncode == 1 and b'0 of 1 files scored' in r.stderr and b'equal lengths' in r.stdout
    r = run(tmp_path, 'score', *given, '--tolerance', '1', '--seed', '5', '--json', 's.json')
    assert r.returncode == 0 and b'1 of 1 files scored' in r.stdout
    settings = read_json(tmp_path/'s.json')['settings']
    assert (settings['tolerance'],settings['seed'])==(1,5)


def test_compare_counts_too(tmp_path):
    pairs(tmp_path, ['a'], cut=1)
    (tmp_path/'enhanced').rename(tmp_path/'noisy')
    r = run(tmp_path, 'compare', 'noisy', '--pairs', '.', '--out', 't.json')
    assert r.returncode == 1 and b'Traceback' not in r.stderr, r.stderr
    r = run(
        tmp_path, 'compare', 'noisy', '--pairs', '.', '--out', 't.json', '--tolerance', '1', '--overwrite')
    assert r.returncode == 0, r.stderr

def test_an_interrupt_that_compiled_code_swallowed_comes_again(capsys):
    from types import SimpleNamespace
    from weakse.cli.main import interrupted_again
    # started in the background by a shell, Python ignores Ctrl-C
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt): interrupted_again(SimpleNamespace(exc_type=KeyboardInterrupt))
    signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err==''

def test_what_one_block_kept_silent_the_next_one_says(capsys):
    import logging
    from weakse.core.terminal import logger, shown_log
    with shown_log(logging.ERROR): logger.warning('of no use to anybody')
    with shown_log(logging.INFO): logger.warning('heard')
    err = capsys.readouterr().err
    assert 'heard' in err and 'of no use' not in err
