{#- A loaded_at_query: now, less the time by which the source lies behind the newest row of any source. -#}
{% macro lag_behind_newest(relation) %}
    {%- set columns = {'payments': 'occurred_at', 'fraud_reports': 'reported_at'} -%}
    select {{ adapter.dispatch('ago')('newest.t', 'own.t') }} as loaded_at
    from (select max({{ columns[relation.identifier] }}) as t from {{ relation }}) as own
    cross join (
        select max(t) as t
        from (
            {%- for table, column in columns.items() %}
            select max({{ column }}) as t
            from {{ api.Relation.create(database=relation.database, schema=relation.schema, identifier=table) }}
            {{ 'union all' if not loop.last }}
            {%- endfor %}
        ) as each_source
    ) as newest
{% endmacro %}
{% macro duckdb__ago(newest, own) %}now() - ({{ newest }} - {{ own }}){% endmacro %}
{% macro bigquery__ago(newest, own) %}timestamp_sub(current_timestamp(), interval timestamp_diff({{ newest }}, {{ own }}, microsecond) microsecond){% endmacro %}
