"""What processes tell of themselves now and then: when each job last ran, and how many notifications were refused."""

from peewee import BigIntegerField, CharField, IntegerField

from models.base import Table


class JobRun(Table):
    name = CharField(16, unique=True)
    every = IntegerField()  # seconds between two passes
    ran_at = BigIntegerField()
    well_at = BigIntegerField(null=True)  # the last pass that went well

    class Meta:
        table_name = "job_runs"


class Refusal(Table):
    """So many in one hour for one reason. Nothing of what was refused is kept."""

    slot = CharField(120, unique=True)  # hour, adapter and reason
    hour = BigIntegerField()  # when it began
    adapter = CharField(32)
    reason = CharField(64)
    times = IntegerField()

    class Meta:
        table_name = "refusals"
