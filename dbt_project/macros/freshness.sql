{#-
A loaded_at_query: now, less the time by which the newest `column` of a source lies behind the newest row of those that it
is judged against. The data's own clock, not the wall's: years-old data is as fresh as it ever was.

    relation   `this`
    column     when a row of the source happened
    against    {table: column} of the sources of the same schema that it should keep up with, such as reports with what
               they report on. No other source counts, and without any it is judged by its own newest row alone
-#}
{% macro lag_behind_newest(relation, column, against={}) %}
    select {{ adapter.dispatch('ago')('newest.t', 'own.t') }} as loaded_at
    from (select max({{ column }}) as t from {{ relation }}) as own
    cross join (
        select max(t) as t
        from (
            select max({{ column }}) as t from {{ relation }}
            {%- for table, moment in against.items() %}
            union all
            select max({{ moment }}) as t
            from {{ api.Relation.create(database=relation.database, schema=relation.schema, identifier=table) }}
            {%- endfor %}
        ) as each_source
    ) as newest
{% endmacro %}
{% macro duckdb__ago(newest, own) %}now() - ({{ newest }} - {{ own }}){% endmacro %}
{% macro bigquery__ago(newest, own) %}timestamp_sub(current_timestamp(), interval timestamp_diff({{ newest }}, {{ own }}, microsecond) microsecond){% endmacro %}
