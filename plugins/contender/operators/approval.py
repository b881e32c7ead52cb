"""What a person who is asked to approve gets to see, as a template in Markdown of what the run's tasks left."""

from __future__ import annotations

SUBJECT = """\
{% set said = ti.xcom_pull(task_ids='gate.decide', key='verdict') %}\
{% set word = said.override.verdict if said.override else said.verdict %}\
{{ 'Promote the challenger' if word == 'promote' else 'Confirm the verdict ' ~ word }} of {{ task.spec.name }}?"""

BODY = """\
{% set seen = ti.xcom_pull(task_ids='gate.decide', key='evidence') %}\
{% set said = ti.xcom_pull(task_ids='gate.decide', key='verdict') %}\
{% macro interval(figure) %}{% if figure.low is none %}none{% else %}{{ '%+.4f' % figure.low }} to \
{{ '%+.4f' % figure.high }}{% endif %}{% endmacro %}\
{% if said.override %}\
**Override by {{ said.override.by | plain }}: {{ said.override.verdict }}**, {{ said.override.reason | plain }}

{% endif %}\
The gate says **{{ said.verdict }}**: {{ seen.rows }} rows in {{ seen.clusters }} clusters of the holdout, look \
{{ seen.look }} at it, alpha {{ '%.4g' % seen.alpha }}.

| metric | challenger | {{ seen.reference | plain }} | improvement | interval |
|---|---|---|---|---|
{% for metric, better in seen.improvement.items() -%}
| {{ metric | plain }} | {{ '%.4f' % seen.challenger[metric].value }} | {{ '%.4f' % seen.champion[metric].value }} \
| {{ '%+.4f' % better.value }} | {{ interval(better) }} |
{% endfor %}
{% for slice in seen.slices %}{% if loop.first -%}
| slice | rows | improvement | interval |
|---|---|---|---|
{% endif -%}
| {{ slice.column | plain }} {{ slice.value | plain }} | {{ slice.rows }} | {% if slice.improvement -%}
{{ '%+.4f' % slice.improvement.value }} | {{ interval(slice.improvement) }} |
{%- else %}{{ slice.not_enough | plain }} | |{% endif %}
{% endfor %}
{% for finding in said.findings -%}
- {{ finding.reason | plain }}
{% endfor %}
{% set page = ti.xcom_pull(task_ids='train.fit', key='_link_MlflowRunLink') -%}
{% set report = ti.xcom_pull(task_ids='gate.decide', key='_link_ReportLink') -%}
{% if report %}[Decision report]({{ report }}) {% endif -%}
{% if page %}[Plots in MLflow]({{ page }}/artifacts){% endif %}
"""
