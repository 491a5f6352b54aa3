{#- dbt's own hook for restricting what a data test reads: `where: __built_partitions__` becomes the days being built. -#}
{% macro get_where_subquery(relation) -%}
    {%- set where = config.get('where', '') -%}
    {%- if where -%}
        (select * from {{ relation }} where {{ where | replace('__built_partitions__', built_partitions()) }})
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}
