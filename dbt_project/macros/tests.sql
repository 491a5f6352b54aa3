{#-
dbt's own hook for restricting what a data test reads: `where: __built_partitions__` becomes the partitions being built of the
relation tested, and its rows all when it has none.
-#}
{% macro get_where_subquery(relation) -%}
    {%- set where = config.get('where', '') -%}
    {%- set partitions = partitions_of_relation(relation) if execute else none -%}
    {%- do model.update({'partitions': partitions}) -%}
    {%- if where -%}
        (select * from {{ relation }} where {{ where | replace('__built_partitions__', built_partitions() if partitions else 'true') }})
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}

{#- A predicate on another relation than the one tested: its rows of the time that is built. -#}
{% macro built_rows(relation) %}
    {%- set partitions = partitions_of_relation(relation) if execute else none -%}
    {{ return(built_partitions(column=partitions.column, cadence=partitions.cadence) if partitions else 'true') }}
{% endmacro %}
