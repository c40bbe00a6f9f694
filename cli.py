"""The terminal: one command, one service call. ``python cli.py --help`` lists them."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path

from adapters.errors import ConfigError
from adapters.transport import Transport
from bootstrap import ROOT, Program, build, configure_logging, find_merchant
from handlers.words import words_for
from jobs.runner import Runner
from services.catalogue import CatalogueError
from services.console.audit import TERMINAL, Act
from services.console.operators import ROLES, Account, Credentials
from services.errors import DatabaseUnavailable, Forbidden, Refused
from services.explain import explain, open_discrepancies
from services.refunds import Wanted
from settings import Settings, SettingsError, load
from supervisor import Child, supervise, told_to_stop

PYTHON = os.path.relpath(sys.executable)  # as it is typed here
Command = Callable[[Program, argparse.Namespace], Awaitable[int]]


async def migrate(program: Program, _: argparse.Namespace) -> int:
    applied = await asyncio.to_thread(program.services.database.migrate)
    print("\n".join(f"applied {name}" for name in applied) or "the tables are up to date")
    return 0


async def query(program: Program, args: argparse.Namespace) -> int:
    lines = await program.services.asking.ask_order(args.order_no)
    print("\n".join(lines) or "no attempt was ever made to pay this order")
    return 0


async def close(program: Program, args: argparse.Namespace) -> int:
    print(await program.services.closing.close_by_number(args.order_no, "operator"))
    return 0


async def refund(program: Program, args: argparse.Namespace) -> int:
    wanted = Wanted(args.order_no, args.amount_fen, args.reason, args.refund_no, "operator")
    made, _ = await program.services.refunds.request(wanted)
    print(f"{made['out_refund_no']}: {made['amount_fen']} fen, {made['status']} {made['message']}".rstrip())
    return 0


async def resolve_abnormal(program: Program, args: argparse.Namespace) -> int:
    told = await program.services.refunds.resolve_abnormal(args.order_no, args.refund_no, "operator")
    print(f"{told['out_refund_no']}: {told['amount_fen']} fen, {told['status']}")
    return 0


def bar(done: int, total: int) -> None:
    """How many lines of how many, for who watches a terminal."""
    if sys.stderr.isatty():
        filled = 40 * done // max(total, 1)
        end = "\n" if done >= total else ""
        print(f"\r[{'#' * filled:40}] {done:,} of {total:,} lines", end=end, file=sys.stderr, flush=True)


async def reconcile(program: Program, args: argparse.Namespace) -> int:
    """Compares a day with WeChat's bills, with a bar while they are read."""
    result = await program.services.reconciliation.reconcile(args.day, bar)
    moves = "the fund flow is not compared" if result.moves is None else f"{result.moves} movements"
    print(f"{result.day}: {result.lines} lines, {moves}, {result.differences} differences")
    return 0 if result.differences == 0 else 3


async def bill(program: Program, args: argparse.Namespace) -> int:
    """Leaves a day's bill as WeChat made it, checked, as a file, with a bar while it is written."""
    out = args.out or Path(f"bill-{args.day}-{args.kind}.csv")
    kept = await program.services.bills.keep(args.day, args.kind, out, bar)
    sums = ", ".join(f"{name} {fen.normalize():f} fen" for name, fen in kept.sums.items())
    print(f"{out}: {kept.lines} lines, {sums}")
    return 0


async def tell(program: Program, args: argparse.Namespace) -> int:
    print("\n".join(await program.services.database.read(explain, args.order_no)))
    return 0


async def discrepancies(program: Program, args: argparse.Namespace) -> int:
    lines = await program.services.database.read(open_discrepancies, args.limit)
    print("\n".join(lines) or "nothing to look at")
    return 0


async def resolve(program: Program, args: argparse.Namespace) -> int:
    payment = await program.services.resolving.resolve(args.discrepancy_id, args.note, "operator")
    print(f"closed; the payment is {payment}" if payment else "closed")
    return 0


async def operator(program: Program, args: argparse.Namespace) -> int:
    """The console's operators. Credentials are shown here once, and nowhere again."""
    operators = program.services.operators
    if args.what == "list":
        print(
            "\n".join(map(_account, await operators.list())) or "no operator yet: python cli.py operator add NAME ROLE"
        )
    elif args.what == "code":
        if not program.settings.simulator_mode:
            raise Forbidden("only_simulated")
        print(await operators.code(args.name))
    else:
        calls: dict[str, Callable[[], Awaitable[Credentials | None]]] = {
            "add": lambda: operators.add(args.name, args.role),
            "reset": lambda: operators.reset(args.name),
            "disable": lambda: operators.disable(args.name, TERMINAL.operator),
            "enable": lambda: operators.disable(args.name, TERMINAL.operator, disabled=False),
        }
        act = Act(TERMINAL, f"operator {args.what}", args.name)
        made = await program.services.audit.witnessed(act, calls[args.what])
        print(_credentials(made) if made else f"{args.name} is {args.what}d")
    return 0


def _credentials(made: Credentials) -> str:
    return f"name      {made.name}\npassword  {made.password}\nphone     {made.phone}"


def _account(account: Account) -> str:
    trouble = ", disabled" * account.disabled + ", phone unreadable since AppSecret changed: reset" * (
        not account.readable
    )
    return f"{account.name:20} {account.role}, since {account.created_at}{trouble}"


async def catalogue(program: Program, args: argparse.Namespace) -> int:
    count = await asyncio.to_thread(program.services.catalogue.replace, args.file)
    print(f"{count} products are for sale")
    return 0


async def jobs(program: Program, _: argparse.Namespace) -> int:
    """The jobs apart from any server: asking, closing, refunds, bills, keys. Any number may run; work is claimed."""
    runner = Runner(program.services)
    await runner.start()
    await told_to_stop()
    await runner.stop(within=10)
    return 0


async def doctor(program: Program, _: argparse.Namespace) -> int:
    """Everything that can be found out without a payment: database, keys, clock, network."""
    database = program.services.database
    problems = [f"migration {name} is not applied: python cli.py migrate" for name in database.pending_migrations()]
    problems += database.check()
    lines = [(not problems, "database", "; ".join(problems) or "answers, and its settings are fit for money")]
    for adapter in program.services.adapters.values():
        lines += [(check.ok, check.name, check.detail) for check in await adapter.self_check()]
    if not problems:
        check = await program.services.shipping.self_check()
        lines.append((check.ok, check.name, check.detail))
        walk = await program.services.chain.look()
        said = f"broken at line {walk.broken}" if walk.broken else f"unbroken up to line {walk.good.line_id}"
        lines.append((walk.broken is None, "audit log", said))
    for ok, name, detail in lines:
        print(f"{'ok  ' if ok else 'FAIL'}  {name}: {detail}")
    return 0 if all(ok for ok, _, _ in lines) else 1


async def run(settings: Settings) -> int:
    """Simulator (if no merchant is configured) and server, as children, until Ctrl-C."""
    here = f"http://{settings.host}:{settings.port}"
    server = Child([sys.executable, str(ROOT / "server.py")], ready=lambda: answers(f"{here}/healthz"))
    if not settings.simulator_mode:
        return await supervise([server], f"\n  The server is up: {here}\n  Ctrl-C stops it.\n")
    port = settings.simulator_url.rstrip("/").rsplit(":", 1)[-1]
    simulator = Child(
        [sys.executable, "-m", "simulator", "--port", port, "--data", str(Path("var") / "simulator")],
        ready=lambda: answers(f"{settings.simulator_url}/_sim/merchant"),
    )
    command = f"{PYTHON} cli.py operator"
    said = (
        f"\n  The demo shop:     {here}/\n  WeChat's stand-in: {settings.simulator_url}/_sim/ledger\n"
        f"  The console:       {here}/ops\n"
        f"    to sign in:      {command} add me admin\n"
        f"    no phone here:   {command} code me\n"
        f"  New payments use WECHAT_PAY_API={settings.wechat_pay_api}. No merchant is configured, so no money moves.\n"
        "  Ctrl-C stops both.\n"
    )
    return await supervise([simulator, server], said)


async def answers(url: str, patience: float = 20) -> None:
    """Returns when ``url`` answers 200. Raises TimeoutError."""
    async with asyncio.timeout(patience):
        while not await asyncio.to_thread(_answers, url):
            await asyncio.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310 - our own loopback address
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def note(text: str) -> str:
    if not 1 <= len(text.strip()) <= 200:
        raise argparse.ArgumentTypeError("1 to 200 characters")
    return text.strip()


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python cli.py", description="The mini-program payment backend, from a terminal."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("run", help="the server and, if no merchant is configured, the simulator (make run)")
    commands.add_parser("migrate", help="bring the database's tables up to date").set_defaults(call=migrate)
    commands.add_parser("doctor", help="check database, keys, clock and network").set_defaults(call=doctor)
    commands.add_parser("jobs", help="run the jobs apart from any server, until stopped").set_defaults(call=jobs)
    for name, call, words in (
        ("query", query, "ask WeChat about an order's payments, and apply the answer"),
        ("close", close, "close an order: at WeChat first, here on proof"),
        ("explain", tell, "what happened to an order, from the log"),
    ):
        one = commands.add_parser(name, help=words)
        one.add_argument("order_no")
        one.set_defaults(call=call)
    odd = commands.add_parser("discrepancies", help="money that does not fit, and waits for a person to look at it")
    odd.add_argument("--limit", type=int, default=100)
    odd.set_defaults(call=discrepancies)
    closed = commands.add_parser("resolve", help="close a discrepancy; a MISMATCH is booked if WeChat now agrees")
    closed.add_argument("discrepancy_id", type=int, help="the number that its line begins with")
    closed.add_argument("--note", required=True, type=note, help="what was found and done, 1 to 200 characters")
    closed.set_defaults(call=resolve)
    back = commands.add_parser("refund", help="give back all or part of what an order paid")
    back.add_argument("order_no")
    back.add_argument("amount_fen", type=int)
    back.add_argument("--reason", default="退款", help="shown to the payer")
    back.add_argument("--refund-no", help="your own number for it; the same again is the same refund")
    back.set_defaults(call=refund)
    stuck = commands.add_parser("resolve-abnormal", help="an abnormal refund's money to the merchant's own card")
    stuck.add_argument("order_no")
    stuck.add_argument("refund_no", help="the merchant's number for it, or ours")
    stuck.set_defaults(call=resolve_abnormal)
    day = commands.add_parser("reconcile", help="compare a day with WeChat's bills; exit code 3 if they differ")
    day.add_argument("day", help="YYYY-MM-DD, Beijing time")
    day.set_defaults(call=reconcile)
    file = commands.add_parser("bill", help="keep WeChat's bill of a day as a file, checked")
    file.add_argument("day", help="YYYY-MM-DD, Beijing time")
    file.add_argument("--kind", choices=("trade", "fund"), default="trade", help="what was paid, or what moved")
    file.add_argument("--out", type=Path, help="the file; bill-DAY-KIND.csv here if not given")
    file.set_defaults(call=bill)
    people = commands.add_parser("operator", help="who may use the console (docs/console.md)")
    whats = people.add_subparsers(dest="what", required=True, metavar="what")
    for name, words in (
        ("add", "a new one; prints a password, and what to enter into the phone's authenticator app"),
        ("reset", "a new password and a new phone; signs out everywhere, and lifts a lock"),
        ("disable", "signs out everywhere, and may not sign in"),
        ("enable", "the opposite"),
        ("code", "what the phone shows now; with the simulator alone"),
    ):
        whats.add_parser(name, help=words).add_argument("name")
    whats.choices["add"].add_argument("role", choices=ROLES)
    whats.add_parser("list", help="all of them")
    people.set_defaults(call=operator)
    goods = commands.add_parser("catalogue", help="make the catalogue what a products.json says")
    goods.add_argument("file", type=Path)
    goods.set_defaults(call=catalogue)
    return top


async def one_call(args: argparse.Namespace) -> int:
    settings, merchant = load()
    configure_logging(settings.log_level)
    if args.command == "run":
        return await run(settings)
    transport = Transport()
    program = build(settings, await find_merchant(settings, merchant, transport, patience=2), transport)
    try:
        call: Command = args.call
        return await call(program, args)
    finally:
        await program.close()


def language() -> str:
    """The terminal's: zh or en."""
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return "zh" if next(filter(None, names), "").startswith("zh") else "en"


def main() -> int:
    args = parser().parse_args()
    try:
        return asyncio.run(one_call(args))
    except Refused as error:
        problem: object = words_for(error.code, language(), error.details)
    except (SettingsError, ConfigError, CatalogueError, DatabaseUnavailable) as error:
        problem = error
    print(f"{args.command}: {problem}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
