"What a merge must pass begins with what a newcomer types, on a machine that has nothing else."
import re, subprocess
from pathlib import Path

root = Path(__file__).parents[1]
steps = re.findall(r'(?m)^step "([^"]+)" (.+)$', (root/'.ci'/'run').read_text(encoding='utf-8'))

def test_the_two_commands_come_first_and_word_for_word():
    text = (root/'.ci'/'run').read_text(encoding='utf-8')
    assert [what for _, what in steps[:3]]==['first_test', 'smoke', 'smoke_without_avx512']
    assert re.search(r'first_test\(\) \{ make test 2>&1', text)
    assert re.search(r'\nsmoke\(\) \{.*\n  make repro PARAMS=params/smoke.yaml 2>&1', text)
    assert 'ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 make repro PARAMS=params/smoke.yaml' in text

def test_nothing_more_is_installed_before_them():
    text = (root/'.ci'/'run').read_text(encoding='utf-8')
    first,rest = text[:text.index('step "the extra')],text[text.index('step "the extra'):]
    calls = [l for l in first.splitlines() if l and not l.startswith((' ', '#', '}')) and '()' not in l]
    assert not any('browser' in l or 'audioset' in l or 'chromium' in l for l in calls)
    lanes = rest.index('\nwith_extras & with_commands & wait')
    assert max(rest.index(word) for word in ('make -s audioset', 'make -s browser', '\nbrowser_package')) < lanes
    assert 'tests_of_extras' not in rest and 'tests_of_extras' in text   # they run in a lane

def test_a_lane_that_fails_is_counted(tmp_path):
    "The end of `.ci/run`, with steps that only pass or fail."
    text = (root/'.ci'/'run').read_text(encoding='utf-8')
    cut = text[text.index('step() {'):text.index('with_extras() {')]
    script = tmp_path/'run'
    script.write_text(
        'set -uo pipefail\nsteps=steps; touch steps\n' + cut + 'one() { beside "well" true; beside "ill" false; }\n'
        'two() { beside "also well" echo said; }\none & two & wait\ncat steps\n')
    done = subprocess.run(['bash', script], cwd=tmp_path, capture_output=True, text=True)
    ends = {line.split('s  ')[1]: line.split()[0] for line in (tmp_path/'steps').read_text().splitlines()}
    assert ends=={'well': 'passed', 'ill': 'failed', 'also well': 'passed'} and 'said' in done.stdout

def test_the_whole_run_and_the_drawn_inputs_come_weekly():
    weekly = (root/'.github'/'workflows'/'repro.yaml').read_text(encoding='utf-8')
    assert (
        'schedule:' in weekly and '- run: make repro\n' in weekly
        and re.search(r'make fuzz SEED=.+ N=\d+', weekly))
